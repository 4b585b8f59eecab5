"""Traces: a request's way from the player through the log to the insert.

The context of a traced report travels in its record's headers, so that the pipeline can name it.
Tracing never costs an answer: whatever fails in it is logged now and then, and nothing is traced.
"""

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Protocol, TypeVar

import structlog

from ugc_core.allowance import Allowance
from ugc_core.clock import Clock
from ugc_core.log import Headers, Record
from ugc_core.sampling import Parent, parse_parent

TRACE_HEADER = "traceparent"
TRACED: ContextVar[Headers] = ContextVar("traced", default=())
"""What the records of the request at hand carry besides their own headers."""
MOST_LINKS = 128
"""Contexts that one insert names; a batch holds 50,000 reports, of which few are traced."""
_FIRST_SERVER_ERROR = 500
_WARNINGS_PER_S = 0.1
_log = structlog.get_logger()
T = TypeVar("T")


class Active(Protocol):
    """A request that is traced, from its beginning to its answer."""

    def headers(self) -> Headers:
        """Return what the log's record has to carry, besides its own headers."""

    def end(self, status: int) -> None:
        """Say how it was answered; 0 for not at all."""


class ActiveInsert(Protocol):
    """An insert that is traced."""

    def end(self, *, failed: bool) -> None:
        """Say how it ended."""


class Tracing(Protocol):
    """Makes spans and sends them somewhere, without ever waiting for it."""

    def start(self, traceparent: bytes | None, route: str) -> Active | None:
        """Begin with a request; None if it is not to be traced.

        Args:
            traceparent: The header of that name.
            route: The route's template, never a path.
        """

    def insert(self, links: Sequence[Parent], topic: str, lines: int) -> ActiveInsert | None:
        """Begin with the insert of a batch.

        Args:
            links: The traced reports in it.
            topic: Where they come from.
            lines: How many reports there are, traced or not.
        """


def contexts(records: Iterable[Record]) -> Sequence[Parent]:
    """Return the traced reports among some records, up to a bound."""
    found: list[Parent] = []
    for record in records:
        for name, value in record.headers:
            if name == TRACE_HEADER and (parent := parse_parent(value)) is not None:
                found.append(parent)
                if len(found) == MOST_LINKS:
                    return found
    return found


def is_failure(status: int) -> bool:
    """Say whether an answer of this status, or none at all (0), is the service's own failure."""
    return not status or status >= _FIRST_SERVER_ERROR


class Guarded:
    """Tracing whose failures stay in here."""

    def __init__(self, inner: Tracing, clock: Clock) -> None:
        """Guard `inner`."""
        self._inner = inner
        self._guard = _Guard(clock)

    def start(self, traceparent: bytes | None, route: str) -> Active | None:
        """Begin with a request, if that can be done."""
        active = self._guard.attempt(lambda: self._inner.start(traceparent, route), None)
        return None if active is None else _GuardedActive(active, self._guard)

    def insert(self, links: Sequence[Parent], topic: str, lines: int) -> ActiveInsert | None:
        """Begin with an insert, if that can be done."""
        active = self._guard.attempt(lambda: self._inner.insert(links, topic, lines), None)
        return None if active is None else _GuardedInsert(active, self._guard)


class _Guard:
    def __init__(self, clock: Clock) -> None:
        self._may_warn = Allowance(_WARNINGS_PER_S, clock)

    def attempt(self, action: Callable[[], T], otherwise: T) -> T:
        try:
            return action()
        except Exception:
            if self._may_warn.take():
                _log.warning("tracing failed", exc_info=True)
            return otherwise


class _GuardedActive:
    def __init__(self, inner: Active, guard: _Guard) -> None:
        self._inner = inner
        self._guard = guard

    def headers(self) -> Headers:
        return self._guard.attempt(self._inner.headers, ())

    def end(self, status: int) -> None:
        self._guard.attempt(lambda: self._inner.end(status), None)


class _GuardedInsert:
    def __init__(self, inner: ActiveInsert, guard: _Guard) -> None:
        self._inner = inner
        self._guard = guard

    def end(self, *, failed: bool) -> None:
        self._guard.attempt(lambda: self._inner.end(failed=failed), None)
