"""Reports from files into the log, in windows: a window is whole there before it is noted."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from msgspec import Struct

from ugc_core.acceptance import Window
from ugc_core.clock import Clock
from ugc_core.codec import encode_event, log_key
from ugc_core.errors import ReportRefusedError
from ugc_core.log import Headers, LogWriter
from ugc_etl.erasures import ErasedUsers
from ugc_etl.replay.file_lines import MAX_LINE_BYTES, FileLine, read_lines
from ugc_etl.replay.file_reports import FileReport, read_archived, read_report
from ugc_etl.replay.token_bucket import TokenBucket
from ugc_etl.retry import Retry

_WINDOW = 2000
"""Lines; also the most appends on their way at once, below the log's own bound."""
_LINES_OF_AN_APPEND = 500
_BYTES_OF_AN_APPEND = 262_144
_REMEMBERED = 1000
"""Refused lines that are listed one by one; the rest is counted."""
_NOWHERE = (-1, 0)
"""The place of a line that did not come from our log: no erasure lies after it."""


class Refused(Struct, frozen=True, kw_only=True):
    """A line that is no report.

    Attributes:
        file: Which file.
        line: Its number, from 1.
        reason: What is wrong with it.
    """

    file: str
    line: int
    reason: str


@dataclass(kw_only=True)
class FileTally:
    """What was counted in one run.

    Attributes:
        lines: Lines that are not blank.
        accepted: Lines that are reports, and in the log unless this was a dry run.
        legacy: Of these, records of the replaced system.
        derived: Of these, reports whose id was made of their content.
        erased: Reports of users that are to be forgotten; they are not sent.
        refused: Lines that are no reports.
        listed: The first of them.
        position: Bytes read of the file in hand; 0 where that is not known.
    """

    lines: int = 0
    accepted: int = 0
    legacy: int = 0
    derived: int = 0
    erased: int = 0
    refused: int = 0
    listed: list[Refused] = field(default_factory=list)
    position: int = 0

    def refuse(self, path: Path | str, line: int, reason: str) -> None:
        """Count a line that is no report."""
        self.refused += 1
        if len(self.listed) < _REMEMBERED:
            self.listed.append(Refused(file=str(path), line=line, reason=reason))


@dataclass(kw_only=True)
class FileReplay:
    """Appends the reports of one file after the other, as the API would.

    Attributes:
        writer: Writes to the topic of the reports; None to check and count only.
        retry: How to wait for the log.
        clock: Time, of reception.
        window: How far ahead an event may be.
        topic: The topic that is written to.
        erased: Users whose reports stay out; of an archive's lines also those that lay below
            an erasure.
        bucket: How fast; None for as fast as it goes.
        window_lines: Lines that are appended together.
        tally: What was counted so far.
    """

    writer: LogWriter | None
    retry: Retry
    clock: Clock
    window: Window
    topic: str = ""
    erased: ErasedUsers = field(default_factory=ErasedUsers)
    bucket: TokenBucket | None = None
    window_lines: int = _WINDOW
    tally: FileTally = field(default_factory=FileTally)

    async def run(
        self, path: Path, *, after: int, stop: asyncio.Event, done: Callable[[int], None]
    ) -> bool:
        """Send what follows line `after`; return whether that is all, or it was told to stop.

        Args:
            path: The file.
            after: The last line that was sent before.
            stop: Once set, the window in hand is the last.
            done: Called with the last line of every window, once it is durable.

        Raises:
            UnreadableFileError: The file breaks off.
        """
        lines = read_lines(path, after=after)
        while window := [*islice(lines, self.window_lines)]:
            if not await self.take(path, window, stop=stop):
                return False
            done(window[-1].number)
            await self.clock.sleep(0)  # let a signal in
        return True

    async def take(
        self, path: Path | str, lines: Sequence[FileLine], *, stop: asyncio.Event
    ) -> bool:
        """Send these lines; return False if it was told to stop before."""
        reports = [*self._reports(path, lines)]
        if await self._stopped(stop, len(reports)):
            return False
        await self._append(reports)
        self._count(lines, reports)
        return True

    def _reports(self, path: Path | str, window: Sequence[FileLine]) -> Iterator[FileReport]:
        now = self.clock.wall_ms()
        for line in window:
            if line.content == b"":
                continue
            self.tally.lines += 1
            if line.content is None:
                reason = f"is longer than {MAX_LINE_BYTES} bytes"
                self.tally.refuse(path, line.number, reason)
                continue
            try:
                report = self._report(line, line.content, now)
            except ReportRefusedError as error:
                self.tally.refuse(path, line.number, str(error))
                continue
            if self._hidden(line, report):
                self.tally.erased += 1
            else:
                yield report

    def _report(self, line: FileLine, content: bytes, now_ms: int) -> FileReport:
        if line.origin is not None:
            return read_archived(content, line.origin.headers)
        return read_report(content, received_ms=now_ms, window=self.window)

    def _hidden(self, line: FileLine, report: FileReport) -> bool:
        """Say whether the user is to be forgotten, as of the place that the line had."""
        partition, offset = _NOWHERE
        if line.origin is not None and line.origin.topic == self.topic:
            partition, offset = line.origin.partition, line.origin.offset
        return self.erased.hides(report.event, partition=partition, offset=offset)

    async def _append(self, reports: Sequence[FileReport]) -> None:
        if self.writer is None:
            return
        append = self.writer.append
        await asyncio.gather(
            *(
                self.retry.until_done("append", partial(append, key, lines, headers=headers))
                for headers, some in _by_headers(reports)
                for key, lines in by_user(some)
            )
        )

    def _count(self, window: Sequence[FileLine], reports: Sequence[FileReport]) -> None:
        self.tally.accepted += len(reports)
        self.tally.legacy += sum(report.legacy for report in reports)
        self.tally.derived += sum(report.derived for report in reports)
        self.tally.position = window[-1].position

    async def _stopped(self, stop: asyncio.Event, many: int) -> bool:
        if self.bucket is not None:
            while not stop.is_set() and await self.bucket.pause():
                pass
            self.bucket.take(many)
        return stop.is_set()


def _by_headers(
    reports: Sequence[FileReport],
) -> Iterator[tuple[Headers, Sequence[FileReport]]]:
    for headers in dict.fromkeys(report.headers for report in reports):
        yield headers, [report for report in reports if report.headers == headers]


def by_user(reports: Sequence[FileReport]) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield the lines of each user, in order, in appends of bounded size."""
    users: dict[bytes, list[bytes]] = {}
    for report in reports:
        key = log_key(report.event.user_id)
        users.setdefault(key, []).append(report.line or encode_event(report.event))
    for key, lines in users.items():
        part: list[bytes] = []
        size = 0
        for line in lines:
            if part and (
                len(part) >= _LINES_OF_AN_APPEND or size + len(line) > _BYTES_OF_AN_APPEND
            ):
                yield key, part
                part, size = [], 0
            part.append(line)
            size += len(line) + 1
        yield key, part
