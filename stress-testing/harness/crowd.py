"""Many connections on which requests are sent at a fixed rate, however long answers take."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import cast

from msgspec import Struct

from harness.arrivals import Arrivals
from harness.percentiles import Spread, spread

_TICK_S = 0.001
_OPENING = 200
"""Connections that are opened at a time: fewer than a listener's backlog."""
_AFTERWARDS_S = 5.0
"""How long the last answers may take, in seconds."""


class Plan(Struct, frozen=True, kw_only=True):
    """What to send.

    Attributes:
        rate: Requests a second.
        seconds: For how long.
        connections: Most that are under way at once.
        patience_s: A request that found no connection for so long is not sent any more.
    """

    rate: float
    seconds: float
    connections: int = 256
    patience_s: float = 60.0


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of the requests.

    Attributes:
        due: How many there were.
        answers: How long answers took from the moment when their requests were due, by status.
        service: The same from the moment when they were sent: without the wait for a connection.
        unsent: Requests that found no connection in time.
        broken: Requests whose connection ended before the answer.
        unanswered: Requests without an answer at the end.
        seconds: From the first request to the last answer.
    """

    due: int
    answers: dict[int, Spread]
    service: dict[int, Spread]
    unsent: int
    broken: int
    unanswered: int
    seconds: float


class Connection(asyncio.Protocol):
    """One connection; one request at a time is under way on it."""

    def __init__(self, crowd: "Crowd") -> None:
        """Tell `crowd` when it is free, and when it has ended."""
        self._crowd = crowd
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._due_s: float | None = None
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be free."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._crowd.opened(self)

    def send(self, request: bytes, *, due_s: float, now_s: float) -> None:
        """Send a request. Times are not the loop's: its clock counts whole milliseconds."""
        assert self._transport is not None
        self._due_s, self._sent_s = due_s, now_s
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer; what comes without a request is dropped."""
        self._got += data
        answer = whole(self._got)
        if answer is None:
            return
        status, closing = answer
        self._got = b""
        due_s, self._due_s = self._due_s, None
        if due_s is not None:
            self._crowd.answered(status, due_s, self._sent_s)
        if closing:
            self.close()
        elif due_s is not None:
            self._crowd.freed(self)

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Have another one opened in its place."""
        self._crowd.ended(self, under_way=self._due_s is not None)


def whole(got: bytes) -> tuple[int, bool] | None:
    """Return an answer's status and whether its connection ends; None while it is incomplete."""
    head, blank, body = got.partition(b"\r\n\r\n")
    if not blank:
        return None
    lower = head.lower()
    _, named, rest = lower.partition(b"\r\ncontent-length:")
    if named and len(body) < int(rest.partition(b"\r\n")[0]):
        return None
    return int(head[9:12]), b"\r\nconnection: close" in lower


class Crowd:
    """All connections.

    Attributes:
        free: Those on which nothing is under way.
    """

    def __init__(self, host: str, port: int, plan: Plan, made: Sequence[bytes]) -> None:
        """Connect to nobody yet."""
        self.free: deque[Connection] = deque()
        self._where = host, port
        self._plan = plan
        self._requests: Iterator[bytes] = cycle(made)
        self._loop = asyncio.get_running_loop()
        self._arrivals: Arrivals | None = None
        self._took_s: dict[int, list[float]] = {}
        self._service_s: dict[int, list[float]] = {}
        self._broken = 0
        self._under_way = 0
        self._last_s = time.perf_counter()
        self._open_ones: set[Connection] = set()
        self._reopening: set[asyncio.Task[None]] = set()
        self._over = False

    async def run(self) -> Outcome:
        """Open the connections, send when it is time, wait for the last answers."""
        for start in range(0, self._plan.connections, _OPENING):
            many = min(_OPENING, self._plan.connections - start)
            await asyncio.gather(*(self._open() for _ in range(many)))
        began = self._last_s = time.perf_counter()
        arrivals = self._arrivals = Arrivals(
            rate=self._plan.rate,
            seconds=self._plan.seconds,
            patience_s=self._plan.patience_s,
            began_s=began,
        )
        end = began + self._plan.seconds + _AFTERWARDS_S
        while time.perf_counter() < end and (self._under_way or not arrivals.finished):
            self._send_due()
            await asyncio.sleep(_TICK_S)
        under_way = self._under_way
        self._close()
        return Outcome(
            due=arrivals.total,
            answers={status: spread(took) for status, took in self._took_s.items()},
            service={status: spread(took) for status, took in self._service_s.items()},
            unsent=arrivals.given_up + arrivals.total - arrivals.taken,
            broken=self._broken,
            unanswered=under_way,
            seconds=round(self._last_s - began, 3),
        )

    def opened(self, connection: Connection) -> None:
        """Take a new connection in."""
        self._open_ones.add(connection)
        self.free.append(connection)

    def answered(self, status: int, due_s: float, sent_s: float) -> None:
        """Note an answer."""
        self._under_way -= 1
        self._last_s = time.perf_counter()
        self._took_s.setdefault(status, []).append(self._last_s - due_s)
        self._service_s.setdefault(status, []).append(self._last_s - sent_s)

    def freed(self, connection: Connection) -> None:
        """Send on a connection what has waited for one, if anything has."""
        if not self._next(connection):
            self.free.append(connection)

    def ended(self, connection: Connection, *, under_way: bool) -> None:
        """Open another connection in place of one that has ended."""
        if under_way:
            self._under_way -= 1
            self._broken += 1
        elif connection in self.free:
            self.free.remove(connection)
        self._open_ones.discard(connection)
        if self._over:
            return
        task = self._loop.create_task(self._open())
        self._reopening.add(task)
        task.add_done_callback(self._reopening.discard)

    def _close(self) -> None:
        self._over = True
        for connection in [*self._open_ones]:
            connection.close()

    def _send_due(self) -> None:
        while self.free and self._next(self.free[0]):
            self.free.popleft()

    def _next(self, connection: Connection) -> bool:
        """Send the next request that is due, if there is one."""
        now_s = time.perf_counter()
        due_s = self._arrivals.take(now_s) if self._arrivals else None
        if due_s is None:
            return False
        self._under_way += 1
        connection.send(next(self._requests), due_s=due_s, now_s=now_s)
        return True

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(_AFTERWARDS_S):
                await self._loop.create_connection(lambda: Connection(self), *self._where)
        except OSError:  # TimeoutError is one
            self._broken += 1
