"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a retry is the same report.

Nothing is remembered: the key becomes the event_id of a report that has none, and the identity of
the event does the rest, for ever and on every instance. As with an event_id of the client's own,
the time has to be the same in every retry: from the key if it is a UUID version 7, else from
`viewed_at`. A report that has an event_id keeps it.
"""

import re
from uuid import UUID

import msgspec
from msgspec import structs

from ugc_api.intake.items import Amend
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError
from ugc_core.errors import ReportRefusedError
from ugc_core.events import Report
from ugc_core.uuid7 import uuid7_time_ms
from ugc_core.uuid8 import make_uuid8

IDEMPOTENCY_KEY = b"idempotency-key"
MAX_KEY_CHARS = 255
_UUID_CHARS = 36
_QUOTED = re.compile(rb'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
"""A string of RFC 9651: what the draft asks for."""
_BARE = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~:/=-]+")
"""A token of RFC 9651, which may here begin as it likes: many clients send a bare UUID."""
_ESCAPED = re.compile(rb'\\(["\\])')
_ONE, _MANY = b"ugc: key of one report\0", b"ugc: key of a batch\0"


def parse_key(header: bytes) -> str:
    """Return the key that a header holds.

    Raises:
        ProblemError: It is no key.
    """
    value = header.strip(b" \t")
    quoted = _QUOTED.fullmatch(value)
    if quoted is None and not _BARE.fullmatch(value):
        detail = "Idempotency-Key is neither a string in double quotes nor a token."
        raise ProblemError(kinds.MALFORMED_KEY, detail)
    key = (_ESCAPED.sub(rb"\1", quoted[1]) if quoted else value).decode("ascii")
    if not 1 <= len(key) <= MAX_KEY_CHARS:
        detail = f"Idempotency-Key has {len(key)} characters, not 1 to {MAX_KEY_CHARS}."
        raise ProblemError(kinds.MALFORMED_KEY, detail)
    return key


def one_by_key(header: bytes, *, user_id: UUID, film_id: UUID) -> Amend:
    """Return what gives the only report of a request its name.

    Raises:
        ProblemError: The header holds no key.
    """
    key = parse_key(header)
    return lambda report, _: name_one(report, key, user_id=user_id, film_id=film_id)


def many_by_key(header: bytes, *, user_id: UUID) -> Amend:
    """Return what gives the items of a batch their names.

    Raises:
        ProblemError: The header holds no key.
    """
    key = parse_key(header)
    return lambda report, place: name_item(report, key, user_id=user_id, place=place)


def name_one(report: Report, key: str, *, user_id: UUID, film_id: UUID) -> Report:
    """Return the report, with the event_id that the key gives it if it has none.

    Args:
        report: The only one of its request.
        key: A UUID is the event_id itself; anything else makes one with user and film.
        user_id: Who sends it.
        film_id: The film.

    Raises:
        ReportRefusedError: Nothing says when it was made that a retry would repeat.
    """
    if report.event_id is not None:
        return report
    event_id = _uuid(key)
    if report.viewed_at is None and (event_id is None or uuid7_time_ms(event_id) is None):
        field = "viewed_at"
        reason = (
            "is required with an Idempotency-Key that is not a UUID version 7, so that every"
            " retry of the report has the same time"
        )
        raise ReportRefusedError(field, reason)
    if event_id is None:
        event_id = make_uuid8(_ONE + user_id.bytes + film_id.bytes + key.encode())
    return structs.replace(report, event_id=event_id)


def name_item(report: Report, key: str, *, user_id: UUID, place: int) -> Report:
    """Return an item of a batch, with an event_id made of key, place and film if it has none.

    Args:
        report: The item.
        key: The key of the batch.
        user_id: Who sends it.
        place: Its number in the batch, from 0.

    Raises:
        ReportRefusedError: Nothing says when it was made that a retry would repeat.
    """
    if report.event_id is not None or report.film_id is None:  # without a film it is refused
        return report
    if report.viewed_at is None:
        field = "viewed_at"
        reason = (
            "is required in an item without event_id when the batch has an Idempotency-Key, so"
            " that every retry of the item has the same time"
        )
        raise ReportRefusedError(field, reason)
    where = report.film_id.bytes + place.to_bytes(4, "big")
    name = _MANY + user_id.bytes + where + key.encode()
    return structs.replace(report, event_id=make_uuid8(name))


def _uuid(key: str) -> UUID | None:
    """Return the UUID that the key is; 32 digits alone may be anybody's hash."""
    try:
        return msgspec.convert(key, UUID) if len(key) == _UUID_CHARS else None
    except msgspec.ValidationError:
        return None
