"""From the records of a batch to rows and dead letters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, islice

from ugc_core.allocator import forgotten
from ugc_core.codec import decode_lines, split_lines, stated_version
from ugc_core.errors import MalformedLineError
from ugc_core.events import Event
from ugc_core.log import Headers, Record
from ugc_etl.batches import Batch
from ugc_etl.ports import DeadLetter
from ugc_etl.rows import Rows, Source

_TOGETHER = 500
"""Records that are decoded at once, and one by one if one of them is bad."""
_REMEMBERED = 1024
"""Sets of headers whose version is known again."""


@dataclass(kw_only=True)
class Decoded:
    """What the lines of a batch are.

    Attributes:
        rows: The events, with where each came from.
        dead: The lines that are none.
        lines: How many lines there were.
        streak: Records in a row without a good line, up to the end of the batch.
        longest_streak: The longest such row that ended in this batch or is going on.
    """

    rows: Rows
    dead: list[DeadLetter] = field(default_factory=list)
    lines: int = 0
    streak: int = 0
    longest_streak: int = 0


def decode(batch: Batch, *, streak: int = 0) -> Decoded:
    """Decode every line; a bad one never costs its neighbours.

    Args:
        batch: The records.
        streak: Records in a row without a good line that came before.
    """
    events: list[Event] = []
    sources: list[Source] = []
    decoded = Decoded(rows=Rows(batch.partition, events, sources), streak=streak)
    for records in _alike(batch.records):
        if _decode_together(records, events, sources, decoded):
            decoded.streak = 0
            continue
        for record in records:
            good = _decode_record(batch.topic, record, events, sources, decoded)
            decoded.streak = 0 if good else decoded.streak + 1
            decoded.longest_streak = max(decoded.longest_streak, decoded.streak)
    return decoded


def _alike(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Yield records of the same version, some hundred at a time; other headers may differ."""
    for _, alike in groupby(records, key=lambda record: _version(record.headers)):
        while some := list(islice(alike, _TOGETHER)):
            yield some


def _decode_together(
    records: Sequence[Record], events: list[Event], sources: list[Source], decoded: Decoded
) -> bool:
    """Decode the lines of all records at once; do nothing and say so if one of them is bad.

    A report that has a record for itself then costs hardly more than one in a pack.
    """
    values = [record.value.removesuffix(b"\n") for record in records]
    text = b"\n".join(values)
    lines = text.split(b"\n")
    found = decode_lines(text, records[0].headers, lines=lines)
    good = [event for event in found if not isinstance(event, MalformedLineError)]
    if len(good) != len(found):
        return False
    version = _version_text(records[0])
    events += good
    decoded.lines += len(lines)
    if len(lines) == len(records):
        pairs = zip(records, lines, strict=True)
        sources += [Source(record.offset, 0, line, version) for record, line in pairs]
        return True
    following = iter(lines)
    for record, value in zip(records, values, strict=True):
        own = islice(following, value.count(b"\n") + 1)
        sources += [Source(record.offset, n, line, version) for n, line in enumerate(own)]
    return True


def _decode_record(
    topic: str,
    record: Record,
    events: list[Event],
    sources: list[Source],
    decoded: Decoded,
) -> bool:
    """Sort one record's lines and say whether one of them was good."""
    lines = split_lines(record.value)
    found = decode_lines(record.value, record.headers, lines=lines)
    version = _version_text(record)
    decoded.lines += len(lines)
    places = [Source(record.offset, number, line, version) for number, line in enumerate(lines)]
    good = [event for event in found if not isinstance(event, MalformedLineError)]
    events += good
    if len(good) == len(found):  # nearly always
        sources += places
        return True
    for event, place in zip(found, places, strict=True):
        if isinstance(event, MalformedLineError):
            decoded.dead.append(_dead(topic, record, place.line, place.payload, event.reason))
        else:
            sources.append(place)
    return bool(good)


def refused_letters(topic: str, rows: Rows, reason: str) -> Sequence[DeadLetter]:
    """Return the dead letters of rows that the warehouse refuses."""
    return [
        DeadLetter(
            topic=topic,
            partition=rows.partition,
            offset=source.offset,
            line=source.line,
            reason=reason,
            payload=source.payload,
            schema_version=source.schema_version,
        )
        for source in rows.sources
    ]


def unreadable_letters(topic: str, record: Record, reason: str) -> list[DeadLetter]:
    """Return the dead letters of a whole record that cannot be read."""
    return [
        _dead(topic, record, number, line, reason)
        for number, line in enumerate(split_lines(record.value))
    ]


def _dead(topic: str, record: Record, number: int, line: bytes, reason: str) -> DeadLetter:
    return DeadLetter(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        line=number,
        reason=reason,
        payload=line,
        schema_version=_version_text(record),
    )


def _version_text(record: Record) -> str:
    return _version(record.headers)[:20].decode("ascii", "replace")


@forgotten
@lru_cache(maxsize=_REMEMBERED)
def _version(headers: Headers) -> bytes:
    """Return what the headers say of the version; nearly all records have the same few."""
    return stated_version(headers) or b""
