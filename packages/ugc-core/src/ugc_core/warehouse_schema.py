"""Which migrations a warehouse still needs, what differs from them, and how it is mended."""

from collections.abc import Mapping, Sequence

import structlog
from msgspec import Struct

from ugc_core.errors import SchemaMismatchError
from ugc_core.migrations import Migration, local_suffix, migrations, on_cluster, render
from ugc_core.table_shapes import Drift, Found, drift, shapes
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Column, Shards, insert_on_every_shard
from ugc_core.warehouse_survey import NodeState, survey

_log = structlog.get_logger()

_REPLACED = frozenset({"film_id", "user_id", "progress", "total", "created_at"})
"""Columns of `views` in the system that this one replaces."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be done to the tables.

    Attributes:
        todo: Migrations that some node has not noted, in order.
        drift: What differs from the migrations that are applied.
    """

    todo: Sequence[Migration]
    drift: Sequence[Drift]

    @property
    def refused(self) -> Sequence[Drift]:
        """What a person has to mend before anything is done."""
        return [one for one in self.drift if not one.mend]


async def plan(warehouse: Shards, target: WarehouseTarget, *, views_ttl_days: int = 0) -> Plan:
    """Compare every node with the migrations; changes nothing.

    Raises:
        SchemaMismatchError: The tables are of another version of this program.
        WarehouseUnavailableError: A node did not answer.
    """
    nodes = await survey(warehouse, target)
    return _plan(nodes, target, views_ttl_days=views_ttl_days)


async def pending(warehouse: Shards, target: WarehouseTarget) -> Sequence[Migration]:
    """Return the migrations that are not applied yet, in order; changes nothing.

    Raises:
        SchemaMismatchError: The database holds something else than what we made.
        WarehouseUnavailableError: A node did not answer.
    """
    found = await plan(warehouse, target)
    refuse(found)
    return found.todo


def refuse(found: Plan) -> None:
    """Raise if a person has to act first.

    Raises:
        SchemaMismatchError: Says what differs, and what can be done.
    """
    if found.refused:
        raise SchemaMismatchError("; ".join(one.summary for one in found.refused))


async def apply(
    warehouse: Shards,
    target: WarehouseTarget,
    todo: Sequence[Migration],
    *,
    views_ttl_days: int,
) -> None:
    """Run migrations and note each one on every shard.

    Raises:
        QueryRefusedError: A node refused a statement.
        WarehouseUnavailableError: A node did not answer; run it again.
    """
    for migration in todo:
        for statement in render(migration.text, target, views_ttl_days=views_ttl_days):
            await warehouse.define(statement)
        columns: dict[str, Column] = {
            "number": [migration.number],
            "name": [migration.name],
            "checksum": [migration.checksum],
        }
        table = f"schema_migrations{local_suffix(target)}"
        await insert_on_every_shard(warehouse, table, columns, settings={})


async def mend(warehouse: Shards, found: Sequence[Drift]) -> None:
    """Put right what differs; safe to repeat.

    Raises:
        QueryRefusedError: A node refused a statement.
        WarehouseUnavailableError: A node did not answer; run it again.
    """
    for one in found:
        if one.mend:
            await warehouse.define(one.mend)


async def require(warehouse: Shards, target: WarehouseTarget) -> None:
    """Make sure that the tables are the ones that this version writes.

    One node that has them is enough: on a cluster the others are stood in for, and named.

    Raises:
        SchemaMismatchError: They are not there, or not complete.
        WarehouseUnavailableError: No node answered.
    """
    nodes = await survey(warehouse, target, everyone=False)
    lacks = {node: _lacks(state, target) for node, state in nodes.items()}
    if all(lacks.values()):
        node = next(iter(lacks))
        where = f" on {node}" if len(lacks) > 1 else ""
        msg = f"{lacks[node]}{where}; run `ugc init`"
        raise SchemaMismatchError(msg)
    for node, reason in lacks.items():
        if reason:
            _log.warning("node_lacks_tables", node=node, reason=f"{reason}; run `ugc init`")


def _plan(
    nodes: Mapping[str, NodeState], target: WarehouseTarget, *, views_ttl_days: int = 0
) -> Plan:
    """Compare; a migration that one node has not noted is done again, which harms nobody."""
    for state in nodes.values():
        _refuse_other_form(state, target)
    todo = [one for one in migrations() if any(one.number not in n.applied for n in nodes.values())]
    done = [one for one in migrations() if one not in todo]
    wanted = shapes(
        statement
        for migration in done
        for statement in render(migration.text, target, views_ttl_days=views_ttl_days)
    )
    tables = {node: state.tables for node, state in nodes.items()}
    foreign = _foreign(tables, target)
    if foreign:
        wanted.pop("views", None)
    found = drift(wanted, tables, database=target.database, on_cluster=on_cluster(target))
    return Plan(todo=todo, drift=[*foreign, *found])


def _lacks(state: NodeState, target: WarehouseTarget) -> str:
    """Return what a node lacks, in words; empty if nothing."""
    found = _plan({"": state}, target)
    if found.drift:
        return "; ".join(one.summary for one in found.drift)
    names = ", ".join(f"{one.number:04d}_{one.name}" for one in found.todo)
    return f"database {target.database} lacks {names}" if names else ""


def _refuse_other_form(state: NodeState, target: WarehouseTarget) -> None:
    for migration in migrations():
        if state.applied.get(migration.number) not in {None, migration.checksum}:
            msg = (
                f"migration {migration.number:04d}_{migration.name} of database"
                f" {target.database} was applied in another form; the tables are of another"
                " version of this program: use that one, or another database"
            )
            raise SchemaMismatchError(msg)


def _foreign(nodes: Mapping[str, Mapping[str, Found]], target: WarehouseTarget) -> Sequence[Drift]:
    """Recognise a table `views` that is not our view; it is never touched."""
    there = {node: tables["views"] for node, tables in nodes.items() if "views" in tables}
    where = tuple(node for node, found in there.items() if found.engine != "View")
    if not where:
        return ()
    name, found = f"{target.database}.views", there[where[0]]
    owner = "the replaced system" if {*found.columns} == _REPLACED else "another system"
    rename = f"RENAME TABLE {name} TO {name}_old{on_cluster(target)}"
    advice = (
        f"it belongs to {owner} and is left alone. Once nothing writes to it any more:"
        f" `{rename}`, then `ugc init`, then import it with `ugc replay file --from-table"
        f" {name}_old`. Or let both systems run: set another database in UGC_WAREHOUSE__URL"
    )
    what = f"{name} is a table ({found.engine}), not our view"
    return (Drift(what=what, nodes=where if len(nodes) > 1 else (), advice=advice),)
