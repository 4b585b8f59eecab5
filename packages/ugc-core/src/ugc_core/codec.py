"""Log lines: schema version 1, and version 0 of the system that is replaced.

A record's `schema_version` header says how to read its lines; without one they are of
version 0, which had no headers. Both stay readable for ever (tests hold golden records).
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct

from ugc_core.errors import MalformedLineError
from ugc_core.events import (
    MAX_EPOCH_MS,
    MAX_EXTRA_BYTES,
    MAX_STRETCH_S,
    MAX_TOTAL_S,
    EpochMs,
    Event,
)
from ugc_core.log import Headers
from ugc_core.uuid8 import make_uuid8
from ugc_core.words import have_words

SCHEMA_VERSION = 1
SCHEMA_HEADER = "schema_version"
EVENT_HEADERS: Headers = ((SCHEMA_HEADER, str(SCHEMA_VERSION).encode()),)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

RECORD_TYPE_HEADER = "record_type"
_ERASURE = b"erasure"
ERASURE_HEADERS: Headers = (*EVENT_HEADERS, (RECORD_TYPE_HEADER, _ERASURE))

encode_event = msgspec.json.Encoder(uuid_format="canonical").encode
_decoder = msgspec.json.Decoder(Event)
# Half a millisecond for sums of decimal seconds that have no exact binary form.
_LONGEST_STRETCH_S = MAX_STRETCH_S + 0.0005


def log_key(user_id: UUID) -> bytes:
    """Return the log key of a user: the text that the warehouse shards by, too."""
    return str(user_id).encode()


class Erasure(Struct, frozen=True, kw_only=True):
    """A line in a record of its own kind: forget this user.

    Its place in the user's partition divides the user's reports into before and after.

    Attributes:
        user_id: Whom to forget.
        requested_at: When it was asked for, epoch milliseconds; reports of that user made
            before it are refused even if they come later.
    """

    user_id: UUID
    requested_at: EpochMs


encode_erasure = msgspec.json.Encoder(uuid_format="canonical").encode
_erasure_decoder = msgspec.json.Decoder(Erasure)


def is_erasure(headers: Headers) -> bool:
    """Say whether a record holds erasures and no reports."""
    return (RECORD_TYPE_HEADER, _ERASURE) in headers


def decode_erasures(value: bytes) -> list[Erasure]:
    """Return the erasures in a record.

    Raises:
        MalformedLineError: One of its lines is none.
    """
    try:
        return [_erasure_decoder.decode(line) for line in split_lines(value)]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = f"an erasure record that cannot be read: {error}"
        raise MalformedLineError(reason) from error


class LegacyRecord(Struct, frozen=True, kw_only=True):
    """A record of the replaced system: keyless, no identity, whole seconds.

    Attributes:
        film_id: The film.
        user_id: The user; the system took it from the body.
        progress: Playhead in seconds.
        total: Length of the film in seconds.
        created_at: When its API took the report; without a zone it is UTC.
    """

    film_id: UUID
    user_id: UUID
    progress: Annotated[float, Meta(ge=0, le=MAX_TOTAL_S)]
    total: Annotated[float, Meta(gt=0, le=MAX_TOTAL_S)]
    created_at: datetime


_legacy_decoder = msgspec.json.Decoder(LegacyRecord)
_OPENED, _CLOSED = set(b"{"), set(b"}")


def schema_version(headers: Headers) -> int:
    """Return a record's schema version.

    Raises:
        MalformedLineError: The header is there and holds no version that we know.
    """
    value = stated_version(headers)
    if value in {None, b"0"}:
        return 0
    if value == b"1":
        return 1
    reason = f"unknown schema version {value[:20]!r}; this program reads 0 and 1"
    raise MalformedLineError(reason)


def stated_version(headers: Headers) -> bytes | None:
    """Return what a record's headers say of its version, known to us or not; None for nothing."""
    return next((value for name, value in headers if name == SCHEMA_HEADER), None)


def split_lines(value: bytes) -> list[bytes]:
    """Return the lines of a record; a final line feed ends the last one."""
    return value.removesuffix(b"\n").split(b"\n")


def are_objects(lines: Sequence[bytes]) -> bool:
    """Say whether each line, none of them empty, begins and ends as an object does.

    Then they may be decoded together. A decoder of many lines reads a stream of values and ignores
    where lines end, so finding as many values as lines proves one a line only where none can span
    two: after `}` no value goes on with `{`.
    """
    return {line[0] for line in lines} == _OPENED and {line[-1] for line in lines} == _CLOSED


def decode_lines(
    value: bytes, headers: Headers, *, lines: Sequence[bytes] | None = None
) -> Sequence[Event | MalformedLineError]:
    """Return, line by line, the event or what is wrong with the line.

    Args:
        value: The record's value.
        headers: Its headers.
        lines: Its lines, if the caller has split them already.
    """
    lines = split_lines(value) if lines is None else lines
    try:
        version = schema_version(headers)
    except MalformedLineError as error:
        return [error] * len(lines)
    if version == 0:
        return [_or_error(line, 0) for line in lines]
    events: Sequence[Event] = ()
    if all(lines) and are_objects(lines):
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            events = _decoder.decode_lines(value)
    if len(events) != len(lines):  # one line is bad, or empty: find out which
        return [_or_error(line, version) for line in lines]
    if _are_plain(events):
        return events
    return [_or_error(line, version) for line in lines]


def _are_plain(events: Sequence[Event]) -> bool:
    """Say whether all events keep the bounds that `_wrong` names, at a fifth of its price."""
    return have_words(events) and all(
        event.progress <= event.total
        and (
            (start := event.watched_from) is None
            or 0 <= event.progress - start <= _LONGEST_STRETCH_S
        )
        and 0 <= event.viewed_at + event.clock_offset_ms <= MAX_EPOCH_MS
        and (event.extra is UNSET or _wrong_extra(bytes(event.extra)) is None)
        for event in events
    )


def decode_line(line: bytes, version: int = SCHEMA_VERSION) -> Event:
    """Return the event in one line.

    Raises:
        MalformedLineError: It is not an event of that version, or breaks a bound.
    """
    try:
        event = _decoder.decode(line) if version else _upgrade(_legacy_decoder.decode(line))
    except RecursionError as error:
        reason = "the JSON is nested too deeply"
        raise MalformedLineError(reason) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedLineError(str(error)) from error
    if (wrong := _wrong(event)) is not None:
        raise wrong
    return event


def _or_error(line: bytes, version: int) -> Event | MalformedLineError:
    try:
        return decode_line(line, version)
    except MalformedLineError as error:
        return error


def _wrong(event: Event) -> MalformedLineError | None:
    """Name the first bound between fields that the event breaks."""
    if event.progress > event.total:
        return MalformedLineError("progress is greater than total")
    if event.watched_from is not None:
        if event.watched_from > event.progress:
            return MalformedLineError("watched_from is greater than progress")
        if event.progress - event.watched_from > _LONGEST_STRETCH_S:
            return MalformedLineError(f"a stretch of more than {MAX_STRETCH_S} seconds")
    if not have_words([event]):
        return MalformedLineError("kind or device is not of the form that the schema names")
    if not 0 <= event.event_time_ms <= MAX_EPOCH_MS:
        return MalformedLineError("viewed_at + clock_offset_ms is out of range")
    return None if event.extra is UNSET else _wrong_extra(bytes(event.extra))


def _wrong_extra(extra: bytes) -> MalformedLineError | None:
    if not extra.startswith(b"{") or len(extra) > MAX_EXTRA_BYTES:
        return MalformedLineError(f"extra is not an object of at most {MAX_EXTRA_BYTES} bytes")
    try:
        extra.decode()
    except UnicodeDecodeError:
        return MalformedLineError("extra is not valid UTF-8")
    return None


def _upgrade(record: LegacyRecord) -> Event:
    """Give a version 0 record the identity that it lacks, always the same one.

    The id is a UUID of version 8 (RFC 9562, section 5.8) made of a SHA-256 over the
    record's own fields, so that a repeated delivery stays one report.
    """
    created = record.created_at
    created = created.replace(tzinfo=UTC) if created.tzinfo is None else created
    at_ms = (created - _EPOCH) // timedelta(milliseconds=1)
    text = f"{record.film_id}|{record.user_id}|{record.progress}|{record.total}|{at_ms}"
    return Event(
        event_id=make_uuid8(text.encode()),
        film_id=record.film_id,
        user_id=record.user_id,
        progress=min(record.progress, record.total),
        total=record.total,
        viewed_at=at_ms,
        received_at=max(at_ms, 0),
    )
