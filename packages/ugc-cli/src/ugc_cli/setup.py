"""Topics and tables: what is missing, and its creation."""

from collections.abc import Sequence

from msgspec import Struct

from ugc_core import warehouse_schema
from ugc_core.bootstrap import open_log_admin, open_warehouse, topics
from ugc_core.settings import LogSection, Settings, WarehouseSection
from ugc_core.table_shapes import Drift
from ugc_core.topology import refuse_partitions
from ugc_core.urls import warehouse_target


class Step(Struct, frozen=True, kw_only=True):
    """One thing to do.

    Attributes:
        where: `log` or `warehouse`.
        summary: What is done, in a few words.
        refused: Whether a person has to do it; nothing is applied until then.
    """

    where: str
    summary: str
    refused: bool = False


async def plan(settings: Settings) -> Sequence[Step]:
    """Return what is missing; changes nothing."""
    return [*await _log_steps(settings.log), *await _warehouse_steps(settings)]


async def apply(settings: Settings) -> None:
    """Create what is missing; safe to repeat.

    Raises:
        ConfigError: The log's partitions do not fit the warehouse's shards.
        SchemaMismatchError: A person has to mend something first; nothing was changed.
    """
    await _check_tables(settings)
    await apply_topics(settings.log)
    await apply_tables(settings.warehouse)


async def apply_topics(settings: LogSection) -> None:
    """Create or grow the topics."""
    async with open_log_admin(settings) as admin:
        await admin.apply(await admin.plan(topics(settings)))


async def apply_tables(settings: WarehouseSection) -> None:
    """Run the migrations that are missing, and mend what differs from them."""
    target = warehouse_target(settings.url)
    ttl = settings.views_ttl_days
    async with open_warehouse(settings, database="default") as warehouse:
        found = await warehouse_schema.plan(warehouse, target, views_ttl_days=ttl)
        warehouse_schema.refuse(found)
        await warehouse_schema.apply(warehouse, target, found.todo, views_ttl_days=ttl)
        await warehouse_schema.mend(warehouse, found.drift)


async def _log_steps(settings: LogSection) -> list[Step]:
    async with open_log_admin(settings) as admin:
        changes = await admin.plan(topics(settings))
    return [Step(where="log", summary=change.summary) for change in changes]


async def _warehouse_steps(settings: Settings) -> list[Step]:
    found = await _look_at_tables(settings)
    target = warehouse_target(settings.warehouse.url)
    name = f"{target.database} on cluster {target.cluster}" if target.cluster else target.database
    return [
        *(
            Step(where="warehouse", summary=f"{name}: apply {step.number:04d}_{step.name}")
            for step in found.todo
        ),
        *(_mending(one) for one in found.drift),
    ]


def _mending(found: Drift) -> Step:
    if not found.mend:
        return Step(where="warehouse", summary=f"REFUSED: {found.summary}", refused=True)
    statement = found.mend.split("\n", 1)[0]
    return Step(where="warehouse", summary=f"{found.summary}: {statement}")


async def _check_tables(settings: Settings) -> None:
    """Refuse before anything is changed, topics included."""
    warehouse_schema.refuse(await _look_at_tables(settings))


async def _look_at_tables(settings: Settings) -> warehouse_schema.Plan:
    section = settings.warehouse
    target = warehouse_target(section.url)
    async with open_warehouse(section, database="default") as warehouse:
        if target.cluster is not None:
            refuse_partitions(
                settings.log.partitions, await warehouse.shards(), cluster=target.cluster
            )
        return await warehouse_schema.plan(warehouse, target, views_ttl_days=section.views_ttl_days)
