"""From the log into archive files: closed ranges once, and erased users never."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from ugc_core.clock import Clock
from ugc_core.codec import split_lines
from ugc_core.log import LogAdmin, Record
from ugc_etl.adapters import parquet_archive
from ugc_etl.archive.closed import ClosedRanges
from ugc_etl.archive.errors import ArchiveMismatchError
from ugc_etl.archive.folder import Folder
from ugc_etl.archive.layout import (
    ArchivedLine,
    ArchivedRange,
    ArchiveFile,
    archived_range,
    joined,
)
from ugc_etl.archive.privacy import LeavingOut
from ugc_etl.ports import LedgerEntry
from ugc_etl.replay.spans import Span, size, subtract

MOST_LINES = 500_000
_MOST_RANGES = 5000
"""Rows of the ledger that one file names, 150 bytes each."""
_LINES_A_GROUP = 20_000
_BYTES_A_GROUP = 16_777_216


class ArchiveTally(Struct, kw_only=True):
    """What was done.

    Attributes:
        files: New files.
        ranges: Ranges of the ledger in them.
        lines: Lines in them.
        left_out: Lines of erased users, and erasures, that are not.
        gone: Ranges that had left the log before they were archived.
        checked: Older files that were held against erasures since.
        rewritten: Those of them that still held lines of erased users.
        forgotten: How many lines these were.
        offsets: Offsets that are done with.
    """

    files: int = 0
    ranges: int = 0
    lines: int = 0
    left_out: int = 0
    gone: int = 0
    checked: int = 0
    rewritten: int = 0
    forgotten: int = 0
    offsets: int = 0


class Reach(Struct, frozen=True, kw_only=True):
    """What of a partition can be archived.

    Attributes:
        low: The oldest offset that can still be read.
        end: The first offset that is not closed: not committed, or too young.
    """

    low: int
    end: int


@dataclass(kw_only=True)
class _Draft:
    """A file that is being written."""

    partition: int
    lines: int = 0
    left_out: int = 0
    ranges: list[ArchivedRange] = field(default_factory=list)
    group: list[ArchivedLine] = field(default_factory=list)
    group_bytes: int = 0

    def add(self, line: ArchivedLine) -> None:
        """Take a line into the group."""
        self.group.append(line)
        self.group_bytes += len(line.value)

    @property
    def group_is_full(self) -> bool:
        """Whether the group has to be written before more is taken."""
        return len(self.group) >= _LINES_A_GROUP or self.group_bytes >= _BYTES_A_GROUP


@dataclass(kw_only=True)
class Archiver:
    """Archives one topic into one folder.

    Attributes:
        topic: The topic.
        group: The pipeline's group: what it has committed is closed.
        admin: Knows the ends of the topic.
        closed: Reads ledger and log.
        folder: Where files go.
        leaving_out: Whose lines do not.
        clock: Time.
        most_lines: Lines of a file, about.
        tally: What was done so far.
    """

    topic: str
    group: str
    admin: LogAdmin
    closed: ClosedRanges
    folder: Folder
    leaving_out: LeavingOut
    clock: Clock
    most_lines: int = MOST_LINES
    tally: ArchiveTally = field(default_factory=ArchiveTally)

    async def reach(self, until_ms: int | None = None) -> dict[int, Reach]:
        """Return what of each partition is closed, and older than a time."""
        commits = await self.admin.committed_by(self.group, self.topic)
        limits = {} if until_ms is None else await self.admin.offsets_at(self.topic, until_ms)
        marks = await self.admin.watermarks(self.topic)
        return {
            partition: Reach(
                low=ends.low,
                end=min(commits[partition].offset, limits.get(partition, ends.high), ends.high),
            )
            for partition, ends in sorted(marks.items())
            if partition in commits
        }

    def open_offsets(self, reaches: dict[int, Reach]) -> int:
        """Return how many offsets are closed and not archived."""
        spans = [
            Span(partition=partition, start=reach.low, end=max(reach.end, reach.low))
            for partition, reach in reaches.items()
        ]
        covered = [span for one in reaches for span in self.folder.covered(self.topic, one)]
        return size(subtract(spans, covered))

    async def export(
        self,
        reaches: dict[int, Reach],
        stop: asyncio.Event,
        told: Callable[[ArchiveTally], None],
    ) -> bool:
        """Write what is closed and not archived; return whether that is all of it.

        Raises:
            ArchiveMismatchError: The log does not hold what the ledger says; files before
                that are kept.
        """
        for partition, reach in reaches.items():
            if not await self._partition(partition, reach, stop, told):
                return False
        return True

    async def forget(self, stop: asyncio.Event, told: Callable[[ArchiveTally], None]) -> bool:
        """Rewrite the files that hold lines of users erased since; return whether all are done.

        Every file that was not held against the present erasures is read once.
        """
        for path, listed in sorted(self.folder.files.items()):
            if listed.topic != self.topic or listed.erasures == self.leaving_out.digest:
                continue
            if stop.is_set():
                return False
            self._rewrite(path)
            told(self.tally)
            await self.clock.sleep(0)  # let a signal in
        return True

    async def _partition(
        self,
        partition: int,
        reach: Reach,
        stop: asyncio.Event,
        told: Callable[[ArchiveTally], None],
    ) -> bool:
        covered = self.folder.covered(self.topic, partition)
        begin = covered[0].end if covered and covered[0].start <= reach.low else 0
        waiting: list[tuple[LedgerEntry, list[Span]]] = []
        async for entry in self.closed.entries(partition, begin, reach.end):
            if stop.is_set():
                return False
            whole = Span(partition=partition, start=entry.range.first, end=entry.range.last + 1)
            left = subtract([whole], covered)
            if not left:
                continue
            if entry.range.first < reach.low:
                self.tally.gone += 1
                continue
            covered = joined([*covered, whole])
            if waiting and _apart(waiting, entry, self.most_lines):
                await self._write(partition, waiting)
                told(self.tally)
                waiting = []
            waiting.append((entry, left))
        if waiting:
            await self._write(partition, waiting)
        told(self.tally)
        return True

    async def _write(
        self, partition: int, entries: Sequence[tuple[LedgerEntry, list[Span]]]
    ) -> None:
        """Write one file of these ranges, as far as their records are still there."""
        draft, wrong = _Draft(partition=partition), None
        with self.folder.fresh() as path:
            with parquet_archive.writing(path) as writer:
                try:
                    for entry, left in entries:
                        await self._take(draft, entry, left, writer)
                except ArchiveMismatchError as error:
                    wrong = error  # what comes before it is good
                _flush(draft, writer)
                writer.describe(about := self._about(draft))
            if about.ranges:
                self.folder.keep(path, about)
                self._count(about, entries)
        if wrong is not None:
            raise wrong

    async def _take(
        self,
        draft: _Draft,
        entry: LedgerEntry,
        left: Sequence[Span],
        writer: parquet_archive.LinesWriter,
    ) -> None:
        records = await self.closed.records(entry)
        if records is None:
            self.tally.gone += 1
            return
        draft.ranges.append(archived_range(entry))
        for record in records:
            if any(span.start <= record.offset < span.end for span in left):
                self._add(draft, record)
            if draft.group_is_full:
                _flush(draft, writer)

    def _count(self, about: ArchiveFile, entries: Sequence[tuple[LedgerEntry, list[Span]]]) -> None:
        self.tally.files += 1
        self.tally.ranges += len(about.ranges)
        self.tally.lines += about.lines
        self.tally.left_out += about.left_out
        self.tally.offsets += sum(span.size for _, left in entries for span in left)

    def _add(self, draft: _Draft, record: Record) -> None:
        for number, value in enumerate(split_lines(record.value)):
            if self.leaving_out.hides(
                value, record.headers, partition=record.partition, offset=record.offset
            ):
                draft.left_out += 1
                continue
            draft.lines += 1
            draft.add(
                ArchivedLine(
                    partition=record.partition,
                    offset=record.offset,
                    line=number,
                    key=record.key,
                    headers=record.headers,
                    timestamp_ms=record.timestamp_ms,
                    value=value,
                )
            )

    def _about(self, draft: _Draft) -> ArchiveFile:
        return ArchiveFile(
            topic=self.topic,
            partition=draft.partition,
            ranges=tuple(draft.ranges),
            lines=draft.lines,
            left_out=draft.left_out,
            erasures=self.leaving_out.digest,
            written_by=version("ugc-etl"),
            written_ms=self.clock.wall_ms(),
        )

    def _rewrite(self, path: Path) -> None:
        """Hold a file against the erasures; replace it if it holds what it should not.

        A file that holds nothing of the kind is only noted as checked, in the manifest.
        """
        self.tally.checked += 1
        hidden = sum(map(self._hides, parquet_archive.read(path)))
        about = parquet_archive.about(path)
        if not hidden or about is None:
            self.folder.checked(path, self.leaving_out.digest)
            return
        now = replace(
            about,
            lines=about.lines - hidden,
            left_out=about.left_out + hidden,
            erasures=self.leaving_out.digest,
            written_by=version("ugc-etl"),
            written_ms=self.clock.wall_ms(),
        )
        with self.folder.fresh() as fresh:
            with parquet_archive.writing(fresh) as writer:
                draft = _Draft(partition=about.partition)
                for line in parquet_archive.read(path):
                    if not self._hides(line):
                        draft.add(line)
                    if draft.group_is_full:
                        _flush(draft, writer)
                _flush(draft, writer)
                writer.describe(now)
            self.folder.keep(fresh, now, instead_of=path)
        self.tally.rewritten += 1
        self.tally.forgotten += hidden

    def _hides(self, line: ArchivedLine) -> bool:
        return self.leaving_out.hides(
            line.value, line.headers, partition=line.partition, offset=line.offset
        )


def _flush(draft: _Draft, writer: parquet_archive.LinesWriter) -> None:
    if draft.group:
        writer.write(draft.group)
        draft.group, draft.group_bytes = [], 0


def _apart(
    waiting: Sequence[tuple[LedgerEntry, list[Span]]], entry: LedgerEntry, most_lines: int
) -> bool:
    """Say whether a range belongs into a file of its own: offsets are missing, or it is full."""
    lines = sum(one.lines for one, _ in waiting)
    full = lines + entry.lines > most_lines or len(waiting) >= _MOST_RANGES
    return full or entry.range.first > waiting[-1][0].range.last + 1
