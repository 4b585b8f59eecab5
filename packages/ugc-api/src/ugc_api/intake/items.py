"""The items of a batch."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw

from ugc_api import media_types
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError
from ugc_core.acceptance import MAX_DEPTH
from ugc_core.events import Report

Item = Report | Raw | bytes
"""A report, or what is still to be read as one and may fail."""
Amend = Callable[[Report, int], Report]
"""Completes the report at a place of its request before it is judged, or refuses it."""

_decode_reports = msgspec.json.Decoder(list[Report]).decode
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


def _lines(body: bytes) -> list[bytes]:
    """Return the lines that hold something; a line may end in CR LF."""
    return [line for line in body.split(b"\n") if line.strip()]


def _array(body: bytes) -> Sequence[Item]:
    try:
        reports = _decode_reports(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _raw(body)
    # Every item opens an object of its own, so what is left of the brackets bounds how deep
    # any one of them can be.
    opened = body.count(b"{") + body.count(b"[")
    return reports if opened - len(reports) < MAX_DEPTH else _raw(body)


def _raw(body: bytes) -> Sequence[Raw]:
    try:
        return _decode_array(body)
    except msgspec.ValidationError as error:
        detail = "The body must be a JSON array of reports."
        raise ProblemError(kinds.REFUSED_REPORT, detail) from error
    except RecursionError as error:
        raise ProblemError(kinds.MALFORMED_BODY, "the JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(kinds.MALFORMED_BODY, f"not valid JSON: {error}") from error
