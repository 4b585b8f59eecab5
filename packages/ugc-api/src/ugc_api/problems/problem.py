"""Errors on the wire: `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NoReturn

import msgspec
from fastapi import Response
from msgspec import Struct

from ugc_api import media_types
from ugc_api.problems import kinds
from ugc_api.problems.kinds import Kind
from ugc_core.errors import (
    ForeignReportError,
    LogBusyError,
    LogUnavailableError,
    MalformedReportError,
    ReportRefusedError,
)

_encode = msgspec.json.Encoder().encode
_HEADERS = (
    (b"content-type", media_types.PROBLEM.encode()),
    (b"cache-control", b"no-store"),
)

BUSY_RETRY_S = 1
"""The queue to the log empties within a second or not at all."""
LOG_RETRY_S = 2
"""A broker's new leader or a lock that is let go of takes a second or two."""
STOP_RETRY_S = 5
"""What supervises the process starts another one, or takes it out of the balance."""


class FieldError(Struct, frozen=True, kw_only=True):
    """What is wrong with one field.

    Attributes:
        field: Path of the field, such as `progress`.
        reason: What is wrong with it.
    """

    field: str
    reason: str


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error, for programs and for people.

    Attributes:
        type: URI of the kind of problem; a page for people is behind it.
        title: The kind in words.
        status: The HTTP status.
        detail: This occurrence in words.
        errors: The offending fields, where any is known.
    """

    type: str
    title: str
    status: int
    detail: str = ""
    errors: Sequence[FieldError] = ()


class ProblemError(Exception):
    """Ends a request, or one item of a batch, with a problem."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Say which kind, what happened, and which fields are to blame."""
        super().__init__(detail)
        self.kind = kind
        self.headers = headers or {}
        self.problem = Problem(
            type=kind.uri,
            title=kind.title,
            status=kind.status,
            detail=detail,
            errors=tuple(errors),
        )


def raw(error: ProblemError) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return the answer that carries a problem, as ASGI has it: status, headers, body."""
    more = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return error.problem.status, [*_HEADERS, *more], _encode(error.problem)


def respond(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer that carries `problem`."""
    every = {"Cache-Control": "no-store", **(headers or {})}
    return Response(_encode(problem), problem.status, every, media_types.PROBLEM)


def plain(status: int, detail: str) -> Problem:
    """Return a problem that has no kind of its own: the status says it all."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    return Problem(type="about:blank", title=title, status=status, detail=detail)


def of_refusal(error: ReportRefusedError) -> ProblemError:
    """Return the problem of a report that is not taken."""
    match error:
        case ForeignReportError():
            kind = kinds.FOREIGN_REPORT
        case MalformedReportError():
            kind = kinds.MALFORMED_BODY
        case _:
            kind = kinds.REFUSED_REPORT
    fields = [FieldError(field=error.field, reason=error.reason)] if error.field else []
    return ProblemError(kind, str(error), errors=fields)


def of_item(problem: Problem) -> ProblemError:
    """Return what ends a whole request with the problem of one of its items."""
    kind = kinds.KINDS[problem.type.removeprefix(kinds.BASE)]
    return ProblemError(kind, problem.detail, errors=problem.errors)


def refuse_parameter(name: str, reason: str) -> NoReturn:
    """Refuse a path or query parameter.

    Raises:
        ProblemError: Always.
    """
    field = FieldError(field=name, reason=reason)
    raise ProblemError(kinds.INVALID_PARAMETER, f"{name}: {reason}", errors=[field])


def of_log(error: LogUnavailableError) -> ProblemError:
    """Return the problem of an append that was not acknowledged."""
    if isinstance(error, LogBusyError):
        detail = "Nothing of this request was kept; send it again."
        return ProblemError(kinds.LOG_BUSY, detail, headers={"Retry-After": str(BUSY_RETRY_S)})
    detail = (
        "The outcome is unknown. Send the same reports again, with the same event_id: a report"
        " that was kept already counts once."
    )
    return ProblemError(kinds.LOG_UNAVAILABLE, detail, headers={"Retry-After": str(LOG_RETRY_S)})


def of_damage() -> ProblemError:
    """Return the problem of a process that stops."""
    detail = "The log of this instance is damaged. Send the request to another one."
    return ProblemError(kinds.STOPPING, detail, headers={"Retry-After": str(STOP_RETRY_S)})
