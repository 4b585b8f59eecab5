"""From a report to an event: every bound that one field's type cannot express."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ugc_core.errors import ForeignReportError, MalformedReportError, ReportRefusedError
from ugc_core.events import (
    MAX_EPOCH_MS,
    MAX_EXTRA_BYTES,
    MAX_OVERSHOOT_S,
    MAX_STRETCH_S,
    NIL,
    Event,
    Report,
    to_ms,
)
from ugc_core.nesting import deeper_than
from ugc_core.uuid7 import make_uuid7, uuid7_time_ms
from ugc_core.words import DEVICE_PATTERN, KIND_PATTERN, is_word

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_MAX_EXTRA_DEPTH = 64
MAX_DEPTH = 128
"""Far below where a JSON reader runs out of stack: whoever reads the line has less of it."""
_LINE_BREAK = re.compile(rb"[\r\n]")
_PATH = re.compile(r"^(?P<reason>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(?P<field>[^`]+)`$")
_NO_NIL = "must not be the nil UUID; leave the field out instead"
_IDS = ("event_id", "film_id", "profile_id", "session_id")
_report_decoder = msgspec.json.Decoder(Report)


class Viewer(Struct, frozen=True, kw_only=True):
    """Who sends the report, as the verified token says.

    Attributes:
        user_id: The token's `sub`.
        profile_id: The token's profile, if it names one; the report may then not differ.
    """

    user_id: UUID
    profile_id: UUID | None = None


class Window(Struct, frozen=True, kw_only=True):
    """How far an event's time may lie from the moment it is received.

    Attributes:
        max_age_days: Days back; older history comes in by `ugc replay file`.
        max_ahead_hours: Hours ahead, for clocks that run fast.
    """

    max_age_days: int = 30
    max_ahead_hours: int = 24


def parse_report(body: bytes | Raw) -> Report:
    """Decode one report.

    Raises:
        MalformedReportError: Not JSON.
        ReportRefusedError: Not an object, or a field is missing or breaks its own bounds.
    """
    if deeper_than(MAX_DEPTH, bytes(body)):
        raise MalformedReportError("", f"the JSON is nested too deeply: more than {MAX_DEPTH}")
    try:
        report = _report_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise refusal(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedReportError("", f"not valid JSON: {error}") from error
    if not is_word(KIND_PATTERN, report.kind):
        raise ReportRefusedError("kind", f"Expected `str` matching regex '{KIND_PATTERN}'")
    if not is_word(DEVICE_PATTERN, report.device):
        raise ReportRefusedError("device", f"Expected `str` matching regex '{DEVICE_PATTERN}'")
    return report


def refusal(error: msgspec.ValidationError) -> ReportRefusedError:
    """Split msgspec's message into the field's path and the reason."""
    found = _PATH.match(str(error))
    if found is None:  # the pattern has no mandatory part
        raise AssertionError from error
    field, reason = (found["path"] or "").removeprefix("."), found["reason"]
    if missing := _MISSING.match(reason):
        return ReportRefusedError(f"{field}.{missing['field']}".removeprefix("."), "is required")
    return ReportRefusedError(field, reason)


def accept(
    report: Report, viewer: Viewer, *, film_id: UUID | None, received_ms: int, window: Window
) -> Event:
    """Return the event that `report` becomes.

    Args:
        report: What the client sent.
        viewer: Who the token says it is.
        film_id: The film from the path; None where only the report names it.
        received_ms: Now, Unix time in milliseconds.
        window: How old and how far ahead an event may be.

    Raises:
        ForeignReportError: It names another user or profile than the token.
        ReportRefusedError: A bound is broken; the error names the field.
    """
    _refuse_nil(report)
    event_id, viewed_ms = _identity_and_time(report, received_ms)
    if viewed_ms > MAX_EPOCH_MS:  # a year or a UUID may say more than an event can hold
        raise ReportRefusedError("viewed_at", "lies too far in the future")
    offset_ms = report.clock_offset_ms or 0
    _check_window(viewed_ms + offset_ms, received_ms, window)
    total_ms = to_ms(report.total)
    if total_ms == 0:
        raise ReportRefusedError("total", "must be at least one millisecond")
    progress_ms = _progress_ms(report, total_ms)
    from_ms = _watched_from_ms(report, progress_ms)
    return Event(
        event_id=event_id,
        film_id=_film(report, film_id),
        user_id=viewer.user_id,
        profile_id=_profile(report, viewer),
        progress=progress_ms / 1000,
        total=total_ms / 1000,
        watched_from=None if from_ms is None else from_ms / 1000,
        viewed_at=viewed_ms,
        clock_offset_ms=offset_ms,
        session_id=report.session_id,
        seq=report.seq,
        kind=report.kind,
        device=report.device,
        extra=_extra(report.extra),
        received_at=received_ms,
    )


def _identity_and_time(report: Report, received_ms: int) -> tuple[UUID, int]:
    event_id = report.event_id
    viewed_ms = _viewed_ms(report.viewed_at)
    if event_id is None:
        return make_uuid7(received_ms), received_ms if viewed_ms is None else viewed_ms
    if viewed_ms is None:
        viewed_ms = uuid7_time_ms(event_id)
    if viewed_ms is None:
        raise ReportRefusedError(
            "viewed_at",
            "is required when event_id is not a UUID version 7, so that every retry of the"
            " report has the same time",
        )
    return event_id, viewed_ms


def _viewed_ms(viewed_at: datetime | int | None) -> int | None:
    if not isinstance(viewed_at, datetime):
        return viewed_at
    if viewed_at < _EPOCH:
        raise ReportRefusedError("viewed_at", "is before 1970")
    return (viewed_at - _EPOCH) // _MILLISECOND


def _check_window(event_ms: int, received_ms: int, window: Window) -> None:
    if event_ms > received_ms + window.max_ahead_hours * _HOUR_MS:
        raise ReportRefusedError(
            "viewed_at", f"is more than {window.max_ahead_hours} hours ahead of the server's clock"
        )
    if event_ms < received_ms - window.max_age_days * _DAY_MS:
        raise ReportRefusedError(
            "viewed_at",
            f"is more than {window.max_age_days} days old; load history with `ugc replay file`",
        )


def _progress_ms(report: Report, total_ms: int) -> int:
    progress_ms = to_ms(report.progress)
    if progress_ms > total_ms + MAX_OVERSHOOT_S * 1000:
        raise ReportRefusedError(
            "progress", f"is more than {MAX_OVERSHOOT_S} seconds past total ({report.total:g})"
        )
    return min(progress_ms, total_ms)


def _watched_from_ms(report: Report, progress_ms: int) -> int | None:
    if report.watched_from is None:
        return None
    from_ms = to_ms(report.watched_from)
    if report.watched_from > report.progress:
        raise ReportRefusedError("watched_from", "must not be greater than progress")
    from_ms = min(from_ms, progress_ms)  # an overshooting stretch is clamped with its end
    if progress_ms - from_ms > MAX_STRETCH_S * 1000:
        raise ReportRefusedError(
            "watched_from",
            f"starts a stretch of more than {MAX_STRETCH_S} seconds; report it in parts",
        )
    return from_ms


def _film(report: Report, path_film: UUID | None) -> UUID:
    if path_film is not None and not path_film.int:
        raise ReportRefusedError("film_id", _NO_NIL)
    film_id = report.film_id or path_film
    if film_id is None:
        raise ReportRefusedError("film_id", "is required")
    if path_film is not None and film_id is not path_film and film_id != path_film:
        raise ReportRefusedError("film_id", "differs from the film in the path")
    return film_id


def _profile(report: Report, viewer: Viewer) -> UUID | None:
    if report.user_id is not None and report.user_id != viewer.user_id:
        raise ForeignReportError("user_id", "is not the token's user")
    profile_id = report.profile_id
    if viewer.profile_id is not None and profile_id not in {None, viewer.profile_id}:
        raise ForeignReportError("profile_id", "is not the token's profile")
    profile_id = viewer.profile_id or profile_id
    if profile_id is None or profile_id == viewer.user_id:  # absent means the user
        return None
    return profile_id


def _refuse_nil(report: Report) -> None:
    """Refuse the nil UUID; UUIDs compare in Python code, their numbers do not."""
    for value in (report.event_id, report.film_id, report.profile_id, report.session_id):
        if value is not None and not value.int:
            field = next(name for name in _IDS if getattr(report, name) == NIL)
            raise ReportRefusedError(field, _NO_NIL)


def _extra(extra: Raw | UnsetType) -> Raw | UnsetType:
    if extra is UNSET:
        return UNSET
    text = bytes(extra)
    if text == b"null":
        return UNSET
    if not text.startswith(b"{"):
        raise ReportRefusedError("extra", "must be a JSON object")
    if len(text) > MAX_EXTRA_BYTES:
        raise ReportRefusedError("extra", f"must be at most {MAX_EXTRA_BYTES} bytes")
    if deeper_than(_MAX_EXTRA_DEPTH, text):
        raise ReportRefusedError("extra", f"must be nested at most {_MAX_EXTRA_DEPTH} deep")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise ReportRefusedError("extra", "is not valid UTF-8") from error
    # A log line is one line: layout between the tokens goes, the tokens stay as they are.
    return Raw(msgspec.json.format(text, indent=-1) if _LINE_BREAK.search(text) else text)
