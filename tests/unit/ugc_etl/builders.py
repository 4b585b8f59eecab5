"""Builders of what the pipeline works on; each call says only what its test is about."""

from typing import Any

from tests.events import uuid7, valid_event
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.events import Event
from ugc_core.log import Headers, Record
from ugc_core.settings import EtlSection
from ugc_etl.batches import Batch
from ugc_etl.decoding import decode
from ugc_etl.rows import Rows

NOW_MS = 1_767_225_600_000
"""When `ManualClock` starts: 2026-01-01T00:00:00Z."""

MONTH_MS = 30 * 86_400_000
TOPIC = "views"
BAD = b"{no report}"


def event(number: int = 1, **changes: Any) -> Event:
    """Return a valid event; its number makes its id."""
    return valid_event(uuid7(number), **changes)


def line(number: int = 1, **changes: Any) -> bytes:
    """Return the log line of an event."""
    return encode_event(event(number, **changes))


def record(
    offset: int, *lines: bytes, partition: int = 0, headers: Headers = EVENT_HEADERS
) -> Record:
    """Return a record; without lines it holds one event, numbered by the offset."""
    value = b"\n".join(lines or (line(offset),))
    return Record(
        partition=partition,
        offset=offset,
        key=None,
        value=value,
        headers=headers,
        timestamp_ms=NOW_MS,
    )


def batch(*records: Record) -> Batch:
    """Return the records as one batch."""
    return Batch(topic=TOPIC, partition=records[0].partition, records=records)


def rows(*events: Event) -> Rows:
    """Return the rows of events that lie in one record, a line each."""
    return decode(batch(record(0, *map(encode_event, events)))).rows


def limits(**changes: Any) -> EtlSection:
    """Return the pipeline's limits."""
    return EtlSection(**changes)
