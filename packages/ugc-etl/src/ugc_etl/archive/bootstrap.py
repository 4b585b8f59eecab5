"""An archiver, put together from the settings."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from ugc_core import warehouse_schema
from ugc_core.bootstrap import open_log_admin, open_log_scanner, open_warehouse
from ugc_core.clock import Clock
from ugc_core.settings import Settings
from ugc_core.urls import warehouse_target
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.archive.archiver import MOST_LINES, Archiver
from ugc_etl.archive.closed import ClosedRanges
from ugc_etl.archive.folder import Folder
from ugc_etl.archive.privacy import LeavingOut


@asynccontextmanager
async def open_archiver(
    settings: Settings,
    root: Path,
    *,
    clock: Clock,
    topic: str | None = None,
    most_lines: int = MOST_LINES,
) -> AsyncIterator[Archiver]:
    """Open log and warehouse for reading, and the folder for writing.

    Raises:
        ArchiveFolderError: The folder cannot be used.
        InUseError: Another process archives into it.
        SchemaMismatchError: The tables are not there.
        TransientError: Log or warehouse do not answer.
    """
    target = warehouse_target(settings.warehouse.url)
    topic = topic or settings.log.topic
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        warehouse = await enter(open_warehouse(settings.warehouse))
        await warehouse_schema.require(warehouse, target)
        admin = await enter(open_log_admin(settings.log))
        scanner = await enter(open_log_scanner(settings.log))
        folder = stack.enter_context(Folder.opened(root))
        yield Archiver(
            topic=topic,
            group=settings.log.group,
            admin=admin,
            closed=ClosedRanges(topic=topic, warehouse=warehouse, scanner=scanner),
            folder=folder,
            leaving_out=LeavingOut(await ClickHouseStore(warehouse, target).erased()),
            clock=clock,
            most_lines=most_lines,
        )
