"""Topics and tables: what is missing, and its creation."""

from collections.abc import Sequence

from msgspec import Struct

from ugc_core import warehouse_schema
from ugc_core.bootstrap import open_log_admin, open_warehouse, topics
from ugc_core.settings import LogSection, Settings, WarehouseSection
from ugc_core.urls import warehouse_target


class Step(Struct, frozen=True, kw_only=True):
    """One thing to do.

    Attributes:
        where: `log` or `warehouse`.
        summary: What is done, in a few words.
    """

    where: str
    summary: str


async def plan(settings: Settings) -> Sequence[Step]:
    """Return what is missing; changes nothing."""
    return [*await _log_steps(settings.log), *await _warehouse_steps(settings.warehouse)]


async def apply(settings: Settings) -> None:
    """Create what is missing; safe to repeat."""
    await apply_topics(settings.log)
    await apply_tables(settings.warehouse)


async def apply_topics(settings: LogSection) -> None:
    """Create or grow the topics."""
    async with open_log_admin(settings) as admin:
        await admin.apply(await admin.plan(topics(settings)))


async def apply_tables(settings: WarehouseSection) -> None:
    """Run the migrations that are missing."""
    target = warehouse_target(settings.url)
    async with open_warehouse(settings, database="default") as warehouse:
        todo = await warehouse_schema.pending(warehouse, target)
        await warehouse_schema.apply(
            warehouse, target, todo, views_ttl_days=settings.views_ttl_days
        )


async def _log_steps(settings: LogSection) -> list[Step]:
    async with open_log_admin(settings) as admin:
        changes = await admin.plan(topics(settings))
    return [Step(where="log", summary=change.summary) for change in changes]


async def _warehouse_steps(settings: WarehouseSection) -> list[Step]:
    target = warehouse_target(settings.url)
    async with open_warehouse(settings, database="default") as warehouse:
        todo = await warehouse_schema.pending(warehouse, target)
    name = f"{target.database} on cluster {target.cluster}" if target.cluster else target.database
    return [
        Step(where="warehouse", summary=f"{name}: apply {step.number:04d}_{step.name}")
        for step in todo
    ]
