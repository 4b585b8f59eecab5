"""Errors that nobody expected, told to whoever collects them.

What is reported is what the log has a traceback of, at the level error or worse; so no code has to
know of it. A report waits for nobody, and of a flood only a part is sent.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Protocol

from structlog.typing import EventDict, WrappedLogger

from ugc_core.allowance import Allowance
from ugc_core.clock import Clock

_FIELDS = ("request_id", "method", "route", "service", "logger")
"""Fields of the line that go along; others may hold anything."""
_LEVELS = frozenset({"error", "critical", "exception"})
_PER_S, _AT_ONCE = 1.0, 20.0


class ErrorReports(Protocol):
    """Where errors are reported to."""

    def report(self, event: str, error: BaseException, fields: Mapping[str, str]) -> None:
        """Take an error, without waiting."""


class Reporting:
    """A processor of structlog; it leaves the line as it is."""

    def __init__(self) -> None:
        """Report nothing yet."""
        self._reports: list[tuple[ErrorReports, Allowance]] = []

    @contextmanager
    def to(self, reports: ErrorReports, clock: Clock) -> Iterator[None]:
        """Report errors in the block; blocks may be nested, and then each gets them."""
        entry = reports, Allowance(_PER_S, clock, most=_AT_ONCE)
        self._reports.append(entry)
        try:
            yield
        finally:
            self._reports.remove(entry)

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        """Report the line's error, if it has one."""
        if self._reports and event.get("level") in _LEVELS:
            error = _error_of(event.get("exc_info"))
            if error is not None:
                fields = {name: str(event[name]) for name in _FIELDS if name in event}
                for reports, allowance in self._reports:
                    if allowance.take():
                        _report(reports, str(event.get("event", "")), error, fields)
        return event


def _report(
    reports: ErrorReports, event: str, error: BaseException, fields: Mapping[str, str]
) -> None:
    """Report, and lose what cannot be reported: the line itself is still to be written."""
    with suppress(Exception):
        reports.report(event, error, fields)


def _error_of(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return next((part for part in exc_info if isinstance(part, BaseException)), None)
    return sys.exception() if exc_info else None
