"""Records of Kafka as records of the log."""

from functools import lru_cache
from typing import Any

from ugc_core.allocator import forgotten
from ugc_core.log import Headers, Record


def record_of(found: Any) -> Record:
    """Return a consumed record; one without a value, a tombstone of others, has no line."""
    return Record(
        partition=found.partition,
        offset=found.offset,
        key=found.key,
        value=found.value or b"",
        headers=_headers(tuple(found.headers)),
        timestamp_ms=max(found.timestamp, 0),
    )


@forgotten
@lru_cache(maxsize=1024)
def _headers(found: tuple[tuple[str, bytes | None], ...]) -> Headers:
    """Return headers without values that are none; nearly all records have the same few."""
    return tuple((name, value or b"") for name, value in found)
