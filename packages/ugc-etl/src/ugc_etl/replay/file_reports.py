"""From a line of a file to an event: the checks of the API, and no limit of age."""

import re

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.codec import EVENT_HEADERS, decode_line, schema_version
from ugc_core.errors import MalformedLineError, ReportRefusedError
from ugc_core.events import Event, Report
from ugc_core.log import Headers
from ugc_core.uuid8 import make_uuid8

_ALL_OF_TIME_DAYS = 200_000
_CREATED_AT = re.compile(rb'"created_at"\s*:')
_encode = msgspec.json.Encoder(uuid_format="canonical").encode


class _Shape(Struct, frozen=True, kw_only=True):
    """What tells a record of the replaced system from a report."""

    created_at: Raw | UnsetType = UNSET
    event_id: Raw | UnsetType = UNSET
    viewed_at: Raw | UnsetType = UNSET


_shape_decoder = msgspec.json.Decoder(_Shape)


class FileReport(Struct, frozen=True, kw_only=True):
    """What a line became.

    Attributes:
        event: The event.
        legacy: Whether it was a record of the replaced system.
        derived: Whether its id was made of its content.
        line: The line of the log, as it was, if it comes from one.
        headers: The headers of its record.
    """

    event: Event
    legacy: bool = False
    derived: bool = False
    line: bytes | None = None
    headers: Headers = EVENT_HEADERS


def history(max_ahead_hours: int) -> Window:
    """Return a window without a limit of age."""
    return Window(max_age_days=_ALL_OF_TIME_DAYS, max_ahead_hours=max_ahead_hours)


def read_report(line: bytes, *, received_ms: int, window: Window) -> FileReport:
    """Return the event in a line; a line that comes twice is the same event twice.

    Args:
        line: One JSON object.
        received_ms: Now, Unix time in milliseconds.
        window: How far ahead an event may be.

    Raises:
        ReportRefusedError: It is none, or breaks a bound; the error names the field.
    """
    legacy = _is_legacy(line)
    report = _legacy_report(line) if legacy else parse_report(line)
    user_id = report.user_id
    if user_id is None:
        raise ReportRefusedError("user_id", "is required in a file")  # noqa: EM101 - its reason
    derived = report.event_id is None
    if derived:
        if report.viewed_at is None:
            reason = "is required without an event_id, so that a repeat is the same report"
            raise ReportRefusedError("viewed_at", reason)  # noqa: EM101 - its field
        report = replace(report, event_id=make_uuid8(_encode(report)))
    event = accept(
        report,
        Viewer(user_id=user_id),
        film_id=None,
        received_ms=received_ms,
        window=window,
    )
    return FileReport(event=event, legacy=legacy, derived=derived)


def read_archived(line: bytes, headers: Headers) -> FileReport:
    """Return the event in a line of the log, which is appended again as it is.

    Raises:
        ReportRefusedError: It is none.
    """
    try:
        version = schema_version(headers)
        event = decode_line(line, version)
    except MalformedLineError as error:
        raise ReportRefusedError("", error.reason) from error  # noqa: EM101 - the whole line
    return FileReport(
        event=event, legacy=version == 0, line=line, headers=EVENT_HEADERS if version else ()
    )


def _is_legacy(line: bytes) -> bool:
    if not _CREATED_AT.search(line):
        return False
    try:
        shape = _shape_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False  # whatever it is, the report's decoder says it better
    return shape.created_at is not UNSET and shape.event_id is UNSET and shape.viewed_at is UNSET


def _legacy_report(line: bytes) -> Report:
    """Return a record of the replaced system as a report, with the id it has in the log."""
    try:
        event = decode_line(line, 0)
    except MalformedLineError as error:
        raise ReportRefusedError("", error.reason) from error  # noqa: EM101 - the whole line
    return Report(
        event_id=event.event_id,
        film_id=event.film_id,
        user_id=event.user_id,
        progress=event.progress,
        total=event.total,
        viewed_at=event.viewed_at,
    )
