"""What `ugc archive` does with its options."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from ugc_cli import console
from ugc_cli.interrupts import until_done_or_stopped
from ugc_cli.progress import metered
from ugc_core.clock import Clock
from ugc_core.settings import Settings
from ugc_etl.archive.archiver import ArchiveTally
from ugc_etl.archive.bootstrap import open_archiver

_DRAIN_S = 600.0
"""Longest wait for the file in hand, once it was told to stop."""


class ArchiveOptions(Struct, frozen=True, kw_only=True):
    """The options of `ugc archive`."""

    folder: Path
    topic: str | None = None
    until_ms: int | None = None
    forget: bool = False


class ArchiveOutcome(Struct, frozen=True, kw_only=True):
    """How an archiving ended.

    Attributes:
        tally: What was done.
        finished: Whether nothing is left to do.
        files_in_all: Files in the folder.
    """

    tally: ArchiveTally
    finished: bool
    files_in_all: int

    def as_json(self) -> Mapping[str, object]:
        """Return everything by name."""
        tally = msgspec.structs.asdict(self.tally)
        tally.pop("offsets")
        return {"finished": self.finished, "files_in_all": self.files_in_all, **tally}


async def archive(settings: Settings, options: ArchiveOptions, *, clock: Clock) -> ArchiveOutcome:
    """Rewrite what holds erased users, then add what is closed and not there.

    Raises:
        ArchiveMismatchError: The log does not hold what the ledger says.
    """
    async with open_archiver(
        settings, options.folder, clock=clock, topic=options.topic
    ) as archiver:
        reaches = {} if options.forget else await archiver.reach(options.until_ms)
        total = archiver.open_offsets(reaches)

        async def work(stop: asyncio.Event) -> bool:
            if not await archiver.forget(stop, told):
                return False
            return await archiver.export(reaches, stop, told)

        with metered("archive", total, clock) as meter:

            def told(now: ArchiveTally) -> None:
                meter.reach(now.offsets, f"{now.lines:,} lines in {now.files:,} files")

            done = await until_done_or_stopped(work, drain_s=_DRAIN_S)
        return ArchiveOutcome(
            tally=archiver.tally, finished=bool(done), files_in_all=len(archiver.folder.files)
        )


def show(outcome: ArchiveOutcome, *, forget: bool) -> None:
    """Print what was done."""
    counts = outcome.as_json()
    names = ["checked", "rewritten", "forgotten"]
    if not forget:
        names = ["files", "ranges", "lines", "left_out", *names]
    console.emit_table(("archived", "count"), [(name, counts[name]) for name in names])
    if outcome.tally.gone:
        console.say(
            f"{outcome.tally.gone} ranges had left the log before they were archived: archive more"
            " often than the log's retention, or raise UGC_LOG__RETENTION_HOURS.",
            style="yellow",
        )
