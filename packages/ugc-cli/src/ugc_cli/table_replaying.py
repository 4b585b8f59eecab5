"""What `ugc replay file --from-table` does: the replaced system's table into the log."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from ugc_cli.file_replaying import (
    FileOptions,
    FileOutcome,
    make_replay,
    open_writer,
    refuse_if_strict,
)
from ugc_cli.interrupts import until_done_or_stopped
from ugc_cli.progress import metered
from ugc_core.bootstrap import open_warehouse
from ugc_core.clock import Clock
from ugc_core.files import write_private
from ugc_core.log import LogWriter
from ugc_core.settings import Settings
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import ShardedWarehouse
from ugc_etl.erasures import ErasedUsers, read_erased
from ugc_etl.replay.file_errors import ChangedFileError
from ugc_etl.replay.file_replay import FileTally
from ugc_etl.replay.table_rows import TableMark, TableRows


async def replay_table(settings: Settings, options: FileOptions, *, clock: Clock) -> FileOutcome:
    """Append the table's rows as reports, until done or interrupted.

    Raises:
        ChangedFileError: It cannot be resumed.
        SchemaMismatchError: It is no table of the replaced system.
        StrictReplayError: Some rows are no reports, and nothing was sent.
    """
    name = options.table or ""
    mark = TableMark(table=f"{settings.warehouse.url} {name}")
    path = options.state or _state_path(settings.data_dir, mark.table)
    if options.resume:
        mark = _load(path, mark.table)
    async with _table(settings, name) as (warehouse, rows):
        total = await rows.open()
        run = _Run(settings, options, clock, rows, total, await read_erased(warehouse))
        if options.strict and not options.dry_run:
            checked = await run.go(mark, None, None)
            if not checked.finished:
                return FileOutcome(tally=FileTally(), finished=False, dry_run=False)
            refuse_if_strict(checked.tally)
        async with open_writer(settings, options, clock) as writer:
            outcome = await run.go(mark, writer, None if writer is None else path)
    if outcome.finished and not options.dry_run:
        path.unlink(missing_ok=True)
    return outcome


class _Run:
    """One way through the table."""

    def __init__(
        self,
        settings: Settings,
        options: FileOptions,
        clock: Clock,
        rows: TableRows,
        total: int,
        erased: ErasedUsers,
    ) -> None:
        self._settings = settings
        self._options = options
        self._clock = clock
        self._rows = rows
        self._total = total
        self._erased = erased

    async def go(self, mark: TableMark, writer: LogWriter | None, keep: Path | None) -> FileOutcome:
        """Send with `writer`, or check only; keep in a file how far it is."""
        replay = make_replay(self._settings, self._options, writer, self._clock)
        replay.erased = self._erased

        async def work(stop: asyncio.Event) -> bool:
            async for part in self._rows.parts(mark):
                for lines, at in part.windows(replay.window_lines):
                    if not await replay.take(self._rows.name, lines, stop=stop):
                        return False
                    if keep is not None:
                        _save(keep, at)
                    meter.reach(at.rows, f"{replay.tally.accepted:,} reports")
                    await self._clock.sleep(0)  # let a signal in
            return True

        if keep is not None:
            _save(keep, mark)
        what = "checking" if writer is None else "replay"
        with metered(what, self._total, self._clock) as meter:
            done = await until_done_or_stopped(work, drain_s=self._settings.etl.drain_s)
        return FileOutcome(tally=replay.tally, finished=bool(done), dry_run=self._options.dry_run)


@asynccontextmanager
async def _table(
    settings: Settings, name: str
) -> AsyncIterator[tuple[ShardedWarehouse, TableRows]]:
    async with open_warehouse(settings.warehouse) as warehouse:
        target = warehouse_target(settings.warehouse.url)
        yield warehouse, TableRows(warehouse=warehouse, target=target, name=name)


def _state_path(directory: Path, table: str) -> Path:
    digest = hashlib.blake2b(table.encode(), digest_size=4).hexdigest()
    return directory / "replays" / f"{table.rsplit(' ', 1)[1]}-{digest}.json"


def _save(path: Path, mark: TableMark) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, msgspec.json.encode(mark).decode())


def _load(path: Path, table: str) -> TableMark:
    again = "start anew without --resume: a row that is sent twice is one report"
    try:
        mark = msgspec.json.decode(path.read_bytes(), type=TableMark)
    except OSError as error:
        msg = f"nothing to resume: {path} cannot be read ({error.strerror}); {again}"
        raise ChangedFileError(msg) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is no state of a replay ({error}); {again}"
        raise ChangedFileError(msg) from error
    if mark.table != table:
        msg = f"{path} is of another table ({mark.table}); {again}"
        raise ChangedFileError(msg)
    return mark
