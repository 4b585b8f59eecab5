"""One report in a few bytes, computed alike in Python from the log and in SQL from the warehouse.

`views` and `views_raw` both fit the SQL: what is absent counts the same as NULL and as the
nil UUID or the empty string. Neither `received_at` nor log coordinates are part of it: they
differ between two copies of one report.
"""

import hashlib
import zlib
from uuid import UUID

from msgspec import UNSET

from ugc_core.events import NIL, Event

BUCKETS = 65_536
"""Reports are spread over these by a checksum of their event id, which clients choose."""

BUCKET_SQL = f"bitAnd(CRC32(UUIDToNum(event_id)), {BUCKETS - 1})"

IDENTITY_SQL = (
    "concat(UUIDToNum(film_id), UUIDToNum(user_id), UUIDToNum(profile_id), UUIDToNum(event_id))"
)

_CONTENT = (
    "ifNull(toString(nullIf(session_id, toUUID('00000000-0000-0000-0000-000000000000'))), '')",
    "ifNull(toString(seq), '')",
    "toString(progress_ms)",
    "toString(total_ms)",
    "ifNull(toString(watched_from_ms), '')",
    "toString(toUnixTimestamp64Milli(event_time))",
    "toString(toUnixTimestamp64Milli(viewed_at))",
    "toString(clock_offset_ms)",
    "toString(length(ifNull(kind, '')))",  # lengths first: both may hold anything, if by hand
    "toString(length(ifNull(device, '')))",
    "ifNull(kind, '')",
    "ifNull(device, '')",
    "ifNull(extra, '')",
)
_TEXT_SQL = ", '|', ".join(_CONTENT)
DIGEST_SQL = f"reinterpretAsUInt64(substring(SHA256(concat({IDENTITY_SQL}, {_TEXT_SQL})), 1, 8))"


def bucket_of(event_id: UUID) -> int:
    """Return the bucket of an event id."""
    return zlib.crc32(event_id.bytes) & (BUCKETS - 1)


def identity_of(event: Event) -> bytes:
    """Return film, user, profile and event id, 64 bytes."""
    profile_id = event.profile_id or event.user_id
    return event.film_id.bytes + event.user_id.bytes + profile_id.bytes + event.event_id.bytes


def digest_of(identity: bytes, event: Event) -> int:
    """Return 64 bits of a hash over identity and content."""
    kind, device = event.kind or "", event.device or ""
    extra = "" if event.extra is UNSET else bytes(event.extra).decode()
    session = "" if event.session_id in {None, NIL} else event.session_id
    seq, start = _text(event.seq), _text(event.watched_from_ms)
    text = (
        f"{session}|{seq}|{event.progress_ms}|{event.total_ms}|{start}|{event.event_time_ms}"
        f"|{event.viewed_at}|{event.clock_offset_ms}|{len(kind)}|{len(device)}"
        f"|{kind}|{device}|{extra}"
    )
    return int.from_bytes(hashlib.sha256(identity + text.encode()).digest()[:8], "little")


def names(identity: bytes) -> tuple[UUID, UUID, UUID, UUID]:
    """Return film, user, profile and event id of an identity."""
    film, user, profile, event = (UUID(bytes=identity[at : at + 16]) for at in range(0, 64, 16))
    return film, user, profile, event


def _text(number: int | None) -> str:
    return "" if number is None else str(number)
