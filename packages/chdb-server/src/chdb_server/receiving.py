"""Rows in: an INSERT whose blocks the client sends."""

from collections.abc import Sequence

from chdb_server.blocks import Column
from chdb_server.column_types import layout
from chdb_server.engine import EngineConnection
from chdb_server.errors import DatabaseError
from chdb_server.inserts import Insert
from chdb_server.results import describe

NO_SUCH_COLUMN_IN_TABLE = 16

COMPUTED = {"MATERIALIZED", "ALIAS"}
"""Kinds of columns that nobody may insert into."""

ONLY_IF_NAMED = {"EPHEMERAL"}


async def expected_columns(connection: EngineConnection, insert: Insert) -> list[Column]:
    """The columns whose rows the client is to send.

    Raises:
        DatabaseError: The table or a column is not there, or of a type that has no end
            on the wire.
    """
    columns = await _expected(connection, insert)
    for column in columns:
        layout(column.type_name)
    return columns


async def _expected(connection: EngineConnection, insert: Insert) -> list[Column]:
    if insert.column_list and not insert.columns:  # `* EXCEPT (…)` and the like
        # Both parts are the client's own SQL, and it may send any.
        chosen = f"(SELECT {insert.column_list} FROM {insert.target})"  # noqa: S608
        return [column for column, _ in await describe(connection, chosen)]
    found = [
        (column, default)
        for column, default in await describe(connection, insert.target)
        if default not in COMPUTED
    ]
    if not insert.columns:
        return [column for column, default in found if default not in ONLY_IF_NAMED]
    return _named([column for column, _ in found], insert)


def _named(found: Sequence[Column], insert: Insert) -> list[Column]:
    by_name = {column.name: column for column in found}
    missing = [name for name in insert.columns if name not in by_name]
    if missing:
        msg = f"No such column {missing[0]} in table {insert.target}, or it is computed"
        raise DatabaseError(msg, code=NO_SUCH_COLUMN_IN_TABLE)
    return [by_name[name] for name in insert.columns]
