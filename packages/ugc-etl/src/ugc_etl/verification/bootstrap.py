"""A verification, put together from the settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec.structs import replace

from ugc_core import warehouse_schema
from ugc_core.bootstrap import open_log_admin, open_log_scanner, open_warehouse
from ugc_core.clock import Clock
from ugc_core.errors import LogUnavailableError
from ugc_core.settings import Settings
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import Warehouse
from ugc_etl.letters.letter_box import LetterBox
from ugc_etl.verification.log_view import LogView
from ugc_etl.verification.reports import Progress
from ugc_etl.verification.trace import Tracer
from ugc_etl.verification.trace_reads import TraceReads
from ugc_etl.verification.verify import AT_ONCE, Verifier

_READ_TIMEOUT_S = 600.0
"""Longest wait for one read, in seconds: some go through every report that is stored."""


@asynccontextmanager
async def open_verifier(
    settings: Settings,
    *,
    clock: Clock,
    progress: Progress,
    topic: str | None = None,
    at_once: int = AT_ONCE,
) -> AsyncIterator[Verifier]:
    """Open log and warehouse for reading.

    Raises:
        LogUnavailableError: There is no such topic, or no answer.
        SchemaMismatchError: The tables are not there.
        WarehouseUnavailableError: The warehouse did not answer.
    """
    target = warehouse_target(settings.warehouse.url)
    topic = topic or settings.log.topic
    async with _both(settings, topic) as (log, warehouse):
        yield Verifier(
            warehouse=warehouse,
            target=target,
            log=log,
            dlq_topic=f"{topic}.dlq",
            clock=clock,
            ttl_days=settings.warehouse.views_ttl_days,
            progress=progress,
            at_once=at_once,
        )


@asynccontextmanager
async def open_tracer(settings: Settings, *, topic: str | None = None) -> AsyncIterator[Tracer]:
    """Open log, dead letters and warehouse for following reports.

    Raises:
        LogUnavailableError: There is no such topic, or no answer.
        SchemaMismatchError: The tables are not there.
        WarehouseUnavailableError: The warehouse did not answer.
    """
    topic = topic or settings.log.topic
    async with _both(settings, topic) as (log, warehouse):
        box = LetterBox(admin=log.admin, scanner=log.scanner, topic=f"{topic}.dlq")
        yield Tracer(log=log, reads=TraceReads(topic=topic, warehouse=warehouse, box=box))


@asynccontextmanager
async def _both(settings: Settings, topic: str) -> AsyncIterator[tuple[LogView, Warehouse]]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        patient = max(settings.warehouse.read_timeout_s, _READ_TIMEOUT_S)
        section = replace(settings.warehouse, read_timeout_s=patient)
        warehouse = await enter(open_warehouse(section))
        log = LogView(
            topic=topic,
            group=settings.log.group,
            admin=await enter(open_log_admin(settings.log)),
            scanner=await enter(open_log_scanner(settings.log)),
        )
        if not await log.extents():
            msg = f"the log has no topic {topic}; see `ugc status`, or create it by `ugc init`"
            raise LogUnavailableError(msg)
        await warehouse_schema.require(warehouse, warehouse_target(settings.warehouse.url))
        yield log, warehouse
