"""Follows one report from the log to its row, its dead letter or its erasure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from ugc_core.codec import SCHEMA_HEADER, decode_lines, is_erasure, split_lines
from ugc_core.errors import MalformedLineError
from ugc_core.events import Event
from ugc_core.log import Record
from ugc_etl.erasures import ErasedUsers
from ugc_etl.letters import filters
from ugc_etl.ports import LedgerEntry
from ugc_etl.rows import version
from ugc_etl.verification.log_view import LogView
from ugc_etl.verification.stages import Letter, Line, StoredCopy
from ugc_etl.verification.tiling import Extent
from ugc_etl.verification.trace_reads import TraceReads, receipt_of, shown


class Trace(Struct, frozen=True, kw_only=True):
    """What became of what was asked for.

    Attributes:
        asked: What was asked for.
        lines: Every line that it is, with all that is known of it.
        searched: Where it was looked for.
    """

    asked: str
    lines: Sequence[Line]
    searched: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A line that is in the log."""

    record: Record
    number: int
    event: Event | MalformedLineError

    @property
    def receipt(self) -> str:
        """Where it is."""
        return f"{self.record.partition}:{self.record.offset}:{self.number}"

    @property
    def text(self) -> bytes:
        """The line itself."""
        return split_lines(self.record.value)[self.number]


@dataclass(kw_only=True)
class Tracer:
    """Follows reports.

    Attributes:
        log: The log.
        reads: Warehouse and dead letters.
    """

    log: LogView
    reads: TraceReads
    _extents: Mapping[int, Extent] = field(default_factory=dict)
    _erased: ErasedUsers = field(default_factory=ErasedUsers)
    _asked: tuple[int, int, Sequence[LedgerEntry]] | None = None

    async def by_event(self, event_id: UUID) -> Trace:
        """Follow every copy of a report, by its event id."""
        await self._look_around()
        found: list[Found] = []
        for partition, extent in self._extents.items():
            async for record in self.log.records(partition, extent.low, extent.high):
                found += _copies_in(record, event_id)
        rows = await self.reads.rows_of([event_id])
        lines = await self._follow(found, rows)
        known = {line.receipt for line in lines}
        lines += [await self._left_log(row) for row in rows if row.receipt not in known]
        for letter in await self.reads.letters_with(str(event_id).encode()):
            if receipt_of(letter) not in known:
                lines.append(_dead_alone(letter))
        searched = [self._searched(partition) for partition in self._extents]
        searched += ["warehouse, views_raw", f"dead letters, {self.reads.box.topic}"]
        return Trace(asked=str(event_id), lines=lines, searched=searched)

    async def by_receipt(self, partition: int, offset: int, number: int | None) -> Trace:
        """Follow a line, or every line of a record, by its place."""
        await self._look_around()
        extent = self._extents.get(partition)
        found: list[Found] = []
        if extent and extent.low <= offset < extent.high:
            async for record in self.log.records(partition, offset, offset + 1):
                found += [each for each in _lines_of(record) if number in {None, each.number}]
        ids = [each.event.event_id for each in found if isinstance(each.event, Event)]
        lines = await self._follow(found, await self.reads.rows_of(ids))
        searched = [self._searched(partition)]
        asked = f"{partition}:{offset}" if number is None else f"{partition}:{offset}:{number}"
        if not lines:
            rows = await self.reads.rows_at(partition, offset)
            wanted = [row for row in rows if number is None or row.receipt == asked]
            lines = [await self._left_log(row) for row in wanted]
            searched.append("warehouse, views_raw")
        return Trace(asked=asked, lines=lines, searched=searched)

    async def _look_around(self) -> None:
        self._extents = await self.log.extents()
        self._erased = await self.reads.erased()

    def _searched(self, partition: int) -> str:
        name, extent = f"log {self.log.topic}[{partition}]", self._extents.get(partition)
        if extent is None:
            return f"{name}, which is not there"
        if extent.low == extent.high:
            return f"{name}, which is empty; its next offset is {extent.high}"
        return f"{name}, offsets {extent.low} to {extent.high - 1}"

    async def _follow(self, found: Sequence[Found], rows: Sequence[StoredCopy]) -> list[Line]:
        """Gather what is known of lines that are in the log."""
        letters = await self.reads.letters(frozenset(each.receipt for each in found))
        return [await self._line(each, rows, letters.get(each.receipt)) for each in found]

    async def _line(self, found: Found, rows: Sequence[StoredCopy], letter: Letter | None) -> Line:
        record, event = found.record, found.event
        place = record.partition, record.offset
        line = Line(
            receipt=found.receipt,
            appended_at_ms=record.timestamp_ms,
            key=None if record.key is None else _text(record.key),
            headers={name: _text(value) for name, value in record.headers},
            text=_text(found.text),
            erasure=is_erasure(record.headers),
            committed=self._extents[record.partition].committed > record.offset,
            batches=await self._batches(*place),
            letter=letter,
        )
        if not isinstance(event, Event):
            return line if line.erasure else replace(line, wrong=event.reason)
        return replace(
            line,
            event_id=str(event.event_id),
            version=version(event.received_at, found.text),
            hidden=self._erased.hides(event, partition=record.partition, offset=record.offset),
            row=_row_of(event, rows),
        )

    async def _batches(self, partition: int, offset: int) -> Sequence[LedgerEntry]:
        """Return the batches of a record; its lines ask one after the other."""
        if self._asked is None or self._asked[:2] != (partition, offset):
            self._asked = (partition, offset, await self.reads.batches(partition, offset))
        return self._asked[2]

    async def _left_log(self, row: StoredCopy) -> Line:
        """Tell what is left of a line that retention has removed."""
        partition, offset, _ = map(int, row.receipt.split(":"))
        return Line(
            receipt=row.receipt,
            in_log=False,
            event_id=row.event_id,
            committed=True,
            batches=await self._batches(partition, offset),
            row=row,
        )


def _lines_of(record: Record) -> Iterator[Found]:
    for number, event in enumerate(decode_lines(record.value, record.headers)):
        yield Found(record=record, number=number, event=event)


def _copies_in(record: Record, event_id: UUID) -> Iterator[Found]:
    """Yield a report's lines, and those that are no report and have its id in them.

    In records of version 0 the id is not written down: it is made of the other fields.
    """
    forms = (str(event_id).encode(), event_id.hex.encode())
    lower = record.value.lower()
    version_0 = SCHEMA_HEADER not in dict(record.headers)
    if not version_0 and not any(form in lower for form in forms):
        return
    for found in _lines_of(record):
        if isinstance(found.event, Event):
            if found.event.event_id == event_id:
                yield found
        elif any(form in found.text.lower() for form in forms):
            yield found


def _dead_alone(letter: filters.Letter) -> Line:
    """Tell what is left of a dead line that retention has removed."""
    return Line(
        receipt=receipt_of(letter),
        in_log=False,
        text=_text(letter.content.payload),
        wrong=letter.content.reason,
        committed=True,
        letter=shown(letter),
    )


def _row_of(event: Event, rows: Sequence[StoredCopy]) -> StoredCopy | None:
    profile_id = event.profile_id or event.user_id
    wanted = (event.film_id, event.user_id, profile_id, event.event_id)
    for row in rows:
        found = (row.film_id, row.user_id, row.profile_id, row.event_id)
        if found == tuple(map(str, wanted)):
            return row
    return None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
