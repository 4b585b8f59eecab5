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
from ugc_core.codec import EVENT_HEADERS, encode_event, log_key
from ugc_core.errors import ReportRefusedError
from ugc_core.log import LogWriter
from ugc_etl.replay.file_lines import MAX_LINE_BYTES, FileLine, read_lines
from ugc_etl.replay.file_reports import FileReport, read_report
from ugc_etl.replay.token_bucket import TokenBucket
from ugc_etl.retry import Retry

_WINDOW = 2000
"""Lines; also the most appends on their way at once, below the log's own bound."""
_LINES_OF_AN_APPEND = 500
_BYTES_OF_AN_APPEND = 262_144
_REMEMBERED = 1000
"""Refused lines that are listed one by one; the rest is counted."""


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
        refused: Lines that are no reports.
        listed: The first of them.
        position: Bytes read of the file in hand; 0 where that is not known.
    """

    lines: int = 0
    accepted: int = 0
    legacy: int = 0
    derived: int = 0
    refused: int = 0
    listed: list[Refused] = field(default_factory=list)
    position: int = 0

    def refuse(self, path: Path, line: int, reason: str) -> None:
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
        bucket: How fast; None for as fast as it goes.
        window_lines: Lines that are appended together.
        tally: What was counted so far.
    """

    writer: LogWriter | None
    retry: Retry
    clock: Clock
    window: Window
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
            reports = [*self._reports(path, window)]
            if await self._stopped(stop, len(reports)):
                return False
            await self._append(reports)
            self._count(window, reports)
            done(window[-1].number)
            await self.clock.sleep(0)  # let a signal in
        return True

    def _reports(self, path: Path, window: Sequence[FileLine]) -> Iterator[FileReport]:
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
                yield read_report(line.content, received_ms=now, window=self.window)
            except ReportRefusedError as error:
                self.tally.refuse(path, line.number, str(error))

    async def _append(self, reports: Sequence[FileReport]) -> None:
        if self.writer is None:
            return
        append = self.writer.append
        await asyncio.gather(
            *(
                self.retry.until_done("append", partial(append, key, lines, headers=EVENT_HEADERS))
                for key, lines in by_user(reports)
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


def by_user(reports: Sequence[FileReport]) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield the lines of each user, in order, in appends of bounded size."""
    users: dict[bytes, list[bytes]] = {}
    for report in reports:
        key = log_key(report.event.user_id)
        users.setdefault(key, []).append(encode_event(report.event))
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
