"""What the nodes of a warehouse have: tables, columns, and the migrations they noted."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ugc_core.binding import quote
from ugc_core.errors import QueryRefusedError, UgcError, WarehouseUnavailableError
from ugc_core.migrations import local_suffix
from ugc_core.table_shapes import Found
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Answer, Shards

Row = tuple[object, ...]


class NodeState(Struct, frozen=True, kw_only=True):
    """What one node has.

    Attributes:
        tables: Its tables and views by name.
        applied: Checksum by number of the migrations that it knows of.
    """

    tables: Mapping[str, Found]
    applied: Mapping[int, str]


async def survey(
    warehouse: Shards, target: WarehouseTarget, *, everyone: bool = True
) -> Mapping[str, NodeState]:
    """Look at every node.

    Args:
        warehouse: The warehouse.
        target: Names our database.
        everyone: Whether a node that does not answer is an error; else it is left out.

    Raises:
        WarehouseUnavailableError: A node did not answer, or none did.
    """
    found = await tables_of_each(warehouse, target, everyone=everyone)
    name = f"schema_migrations{local_suffix(target)}"
    applied: Mapping[str, Sequence[Row]] = {}
    if any(name in tables for tables in found.values()):
        sql = f"SELECT number, checksum FROM {target.database}.{name} FINAL"  # noqa: S608 - a checked identifier
        applied = _answers(await warehouse.read_each(sql), everyone=everyone, absent=True)
    return {
        node: NodeState(
            tables=tables,
            applied={int(str(n)): str(checksum) for n, checksum in applied.get(node, ())},
        )
        for node, tables in found.items()
    }


async def tables_of_each(
    warehouse: Shards, target: WarehouseTarget, *, everyone: bool = True
) -> Mapping[str, Mapping[str, Found]]:
    """Return the tables and views of each node.

    Raises:
        WarehouseUnavailableError: A node did not answer, or none did.
    """
    ours = f"database = {quote(target.database)}"
    tables = _answers(
        await warehouse.read_each(
            f"SELECT name, engine, sorting_key FROM system.tables WHERE {ours}"  # noqa: S608 - quoted
        ),
        everyone=everyone,
    )
    columns = _answers(
        await warehouse.read_each(f"SELECT table, name, type FROM system.columns WHERE {ours}"),  # noqa: S608 - quoted
        everyone=everyone,
    )
    return {
        node: {
            str(name): Found(
                engine=str(engine),
                key=str(key),
                columns={
                    str(column): str(kind)
                    for table, column, kind in columns.get(node, ())
                    if table == name
                },
            )
            for name, engine, key in rows
        }
        for node, rows in tables.items()
    }


def _answers(
    said: Mapping[str, Answer | UgcError], *, everyone: bool, absent: bool = False
) -> dict[str, Sequence[Row]]:
    """Return the rows by node; without a table there are none, if `absent` allows it."""
    answered = {node: one.rows for node, one in said.items() if isinstance(one, Answer)}
    for node, one in said.items():
        if isinstance(one, QueryRefusedError):
            if not absent:
                raise one
            answered[node] = ()
    silent = [node for node in said if node not in answered]
    if (silent and everyone) or not answered:
        reason = said[silent[0]]
        msg = (
            f"{', '.join(silent)} of {len(said)} nodes did not answer: {reason}; every node must"
            " have the tables: start it, or take it out of the cluster, and run `ugc init` again"
        )
        raise WarehouseUnavailableError(msg)
    return answered
