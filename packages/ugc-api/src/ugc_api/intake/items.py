"""The items of a batch."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw

from ugc_api import media_types
from ugc_api.intake.decoding import decoded
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError
from ugc_core.acceptance import MAX_DEPTH
from ugc_core.codec import are_objects
from ugc_core.events import Report
from ugc_core.words import have_words

Item = Report | Raw | bytes
"""A report, or what is still to be read as one and may fail."""
Amend = Callable[[Report, int], Report]
"""Completes the report at a place of its request before it is judged, or refuses it."""

_decode_reports = msgspec.json.Decoder(list[Report]).decode
_decode_lines = msgspec.json.Decoder(Report).decode_lines
_decode_array = msgspec.json.Decoder(list[Raw]).decode


def split(body: bytes, kind: str, *, most: int) -> Sequence[Item]:
    """Return the items of a batch: reports where all are well-formed, else undecoded.

    Raises:
        ProblemError: The array is malformed, or there are too many items.
    """
    items = _lines(body) if kind == media_types.NDJSON else _array(body)
    if len(items) > most:
        detail = f"A batch holds at most {most} reports; this one has {len(items)}."
        raise ProblemError(kinds.TOO_LARGE, detail)
    return items


def _lines(body: bytes) -> Sequence[Item]:
    """Take the lines that hold something; a line may end in CR LF."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    if are_objects(lines):
        reports = _reports(_decode_lines, body)
        if reports is not None and len(reports) == len(lines):
            return reports
    return lines


def _array(body: bytes) -> Sequence[Item]:
    reports = _reports(_decode_reports, body)
    return _raw(body) if reports is None else reports


def _reports(decode: Callable[[bytes], list[Report]], body: bytes) -> list[Report] | None:
    """Decode all at once; None if one is malformed, refused, or may be nested too deeply."""
    try:
        reports = decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # Every item opens an object of its own, so what is left of the brackets bounds how deep
    # any one of them can be.
    opened = body.count(b"{") + body.count(b"[")
    is_shallow = opened - len(reports) < MAX_DEPTH
    return reports if is_shallow and have_words(reports) else None


def _raw(body: bytes) -> Sequence[Raw]:
    return decoded(_decode_array, body, of_form=_no_array)


def _no_array(_: msgspec.ValidationError) -> ProblemError:
    detail = "The body must be a JSON array of reports."
    return ProblemError(kinds.REFUSED_REPORT, detail)
