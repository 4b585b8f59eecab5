"""What all connections of a process share: their number, their deadlines, their answers."""

from collections import Counter, deque
from http import HTTPStatus
from typing import Final, Protocol

import structlog

from ugc_api.limiting.addresses import Addresses
from ugc_api.limiting.admission import Admission, BodyBytes
from ugc_api.limiting.answers import OVERLOAD_RETRY_S
from ugc_api.operating.answering import rendered
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.operating.request_ids import HEADER, request_id
from ugc_api.problems import kinds
from ugc_api.problems.kinds import Kind
from ugc_api.problems.problem import ProblemError, raw
from ugc_core.api_settings import LimitsSection
from ugc_core.clock import Clock

_SWEEPS_IN_A_TIMEOUT: Final = 4
_SWEEP_S: Final = 1.0
_HELD_UP_S: Final = 1.0
"""A sweep that comes so much too late says something of this process, and not of its clients."""
_REST_S: Final = 0.4
_LINGERING: Final = 64
"""Refused connections that may wait for their client to read why; more are cut off at once."""

_log = structlog.get_logger()


class Connection(Protocol):
    """One connection, as far as the sweep knows it."""

    def look(self, now: float) -> None:
        """Compare with the deadlines."""

    def wake(self) -> None:
        """Go on reading."""


class Wire:
    """Caps and deadlines of connections; one sweep a second, not a timer for each of them."""

    def __init__(
        self,
        section: LimitsSection,
        *,
        body_timeout_s: float,
        addresses: Addresses,
        metrics: ApiMetrics,
        clock: Clock,
    ) -> None:
        """Nobody is connected yet."""
        self.section = section
        self.body_timeout_s = body_timeout_s
        self.max_connections = section.max_connections
        self.admission = Admission(section.max_in_flight)
        self.bodies = BodyBytes(section.max_held_bytes)
        self.now = clock.now()
        self.draining = False
        self.lingering = 0
        self._addresses = addresses
        self._metrics = metrics
        self._clock = clock
        self._all: set[Connection] = set()
        self._refused: set[Connection] = set()
        self._resting: deque[tuple[float, Connection]] = deque()
        self._by_host: Counter[str] = Counter()

    @property
    def sweep_s(self) -> float:
        """How often to sweep: a deadline is held to a quarter of it, or to a second."""
        section = self.section
        shortest = min(section.header_timeout_s, self.body_timeout_s, section.keep_alive_s)
        return min(_SWEEP_S, shortest / _SWEEPS_IN_A_TIMEOUT)

    def arrives(self, connection: Connection, peer: str) -> str:
        """Count a new connection; return why it is refused, or nothing.

        Args:
            connection: The connection.
            peer: Its other end.
        """
        host = self._addresses.client_key(peer, None)
        if len(self._all) >= self.max_connections:
            self._refused.add(connection)
            return "Too many connections are open."
        if host and self._by_host[host] >= self.section.max_connections_per_address:
            self._refused.add(connection)
            return "Too many connections from this address are open."
        self._all.add(connection)
        self._metrics.connections_add(1)
        if host:
            self._by_host[host] += 1
        return ""

    def leaves(self, connection: Connection, peer: str) -> None:
        """Forget a connection, counted or refused."""
        self._refused.discard(connection)
        if connection not in self._all:
            return
        self._all.remove(connection)
        self._metrics.connections_add(-1)
        if host := self._addresses.client_key(peer, None):
            self._by_host[host] -= 1
            if not self._by_host[host]:
                del self._by_host[host]

    def may_linger(self) -> bool:
        """Say whether one more refused connection may wait for its client."""
        return self.lingering < _LINGERING

    def sweep(self) -> None:
        """Compare every connection with its deadlines."""
        before, self.now = self.now, self._clock.now()
        if self.now - before > self.sweep_s + _HELD_UP_S:
            return  # it is the loop that is late; what has come meanwhile is read before the next
        for connection in [*self._all, *self._refused]:
            try:
                connection.look(self.now)
            except Exception:
                _log.exception("a connection could not be held to its deadlines")

    def rest(self, connection: Connection) -> None:
        """Let a connection rest that was refused for overload; `wake` ends that.

        Its client was told to come again in a second. Who comes at once is not read for a part
        of it: else this process would do little but refuse.
        """
        self._resting.append((self._clock.now() + _REST_S, connection))

    def wake(self) -> None:
        """Go on reading connections that have rested; called ten times a second."""
        now = self._clock.now()
        while self._resting and self._resting[0][0] <= now:
            self._resting.popleft()[1].wake()

    def refusal(self, kind: Kind, detail: str) -> bytes:
        """Count a request that no route got to see; return its whole answer."""
        self._metrics.shed(kind.slug)
        self._metrics.request_ended("none", "other", kind.status)
        retry = {"Retry-After": str(OVERLOAD_RETRY_S)} if kind is kinds.OVERLOADED else {}
        status, headers, body = raw(ProblemError(kind, detail or kind.advice, headers=retry))
        headers += [
            (b"content-length", b"%d" % len(body)),
            (HEADER, request_id(None, self._clock)),
            (b"connection", b"close"),
        ]
        first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        return b"".join((first, rendered(headers), b"\r\n", body))
