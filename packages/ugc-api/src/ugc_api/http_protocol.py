"""HTTP on one connection: uvicorn's protocol, with bounds on everything that a client sends.

The usual request pays a few assignments for it. Sizes are looked at once the headers are
complete, and exactly only when the raw bytes leave it open; deadlines are looked at by a sweep
over all connections (`ugc_api.limiting.wire`), not by timers.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, NoReturn

import httptools
from uvicorn import Config
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ugc_api.exchange import Exchange, opened
from ugc_api.light_task import LightTask
from ugc_api.limiting.wire import Wire
from ugc_api.problems import kinds
from ugc_api.problems.kinds import Kind
from ugc_api.send_queue import unacknowledged

_SLICE: Final = 16_384
"""Bytes that are parsed at once: so many may come before a bound is looked at again."""
_PAYS_BACK: Final = 8
"""Bytes on the wire that a byte of body may cost: it may come in a chunk of its own."""
_MAX_PIPELINED: Final = 16
"""Requests that may wait for the answers before theirs; the next one closes the connection."""
_LINGER_S: Final = 1.0
"""So long a refused client may read why, while what it still sends is thrown away."""
_CLOSING_S: Final = 10.0
"""So long a client may read next to nothing of its last answer."""
_BODY_START_S: Final = 3.0
"""A body's rate is looked at after these seconds."""
_GRACE_S: Final = 2.0
"""A route cuts a slow body off itself; this is for bodies that no route reads."""


# What the client is sending, or that it is heard no more. Plain numbers, as every request sets
# them three times: looking up a member of an Enum costs more than all else that is done here.
_IDLE: Final = 0
_HEAD: Final = 1
_BODY: Final = 2
_LINGERING: Final = 3
_CLOSING: Final = 4


class BlamedError(Exception):
    """Ends the parsing: a bound is broken; the connection knows which."""


class HttpProtocol(HttpToolsProtocol):
    """One connection. Where a request ends is never in doubt: where it could be, it is closed."""

    cycle: Exchange  # type: ignore[mutable-override]  # uvicorn's own are made nowhere

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        wire: Wire,
        lightly: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Wait for a client.

        Args:
            config: The server's; it knows of no WebSocket.
            server_state: What its connections share.
            app_state: What the application's lifespan left.
            wire: Bounds and deadlines.
            lightly: Names paths to which a whole POST is passed by a light task.
        """
        super().__init__(config, server_state, app_state, _loop)
        self._wire = wire
        self._lightly = lightly
        self._max_headers = wire.section.max_headers
        self._max_header_bytes = wire.section.max_header_bytes
        self._state = _IDLE
        self._since = wire.now
        self._slice = 0
        self._quiet = 0  # raw bytes since something came of them, at least so many
        self._body_bytes = 0
        self._held = 0
        self._deaf = False  # whatever else comes is thrown away
        self._blame: tuple[Kind, str] | None = None
        self._stalled_at: float | None = None
        self._unread = 0
        self._begun: Exchange | None = None
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Take the connection, or refuse it at once."""
        super().connection_made(transport)
        if detail := self._wire.arrives(self, self._peer()):
            self.connections.discard(self)
            self._refuse(kinds.OVERLOADED, detail)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back what it held."""
        super().connection_lost(exc)
        if self._running is not None:  # uvicorn tells the newest request alone
            self._running.disconnected = True
            self._running.message_event.set()
        self.pipeline.clear()
        self._release(0)
        if self._state is _LINGERING:
            self._wire.lingering -= 1
            self._state = _CLOSING
        self._wire.leaves(self, self._peer())

    def data_received(self, data: bytes) -> None:
        """Parse what came, a bounded part at a time."""
        if len(data) <= _SLICE:
            self._feed(data)
        else:
            view = memoryview(data)
            for start in range(0, len(data), _SLICE):
                self._feed(view[start : start + _SLICE])
        if (begun := self._begun) is not None:
            self._begun = None
            self._start_asgi_task(begun, self.app)

    def _feed(self, data: bytes | memoryview) -> None:
        if self._deaf:
            return
        self._slice = len(data)
        self._quiet += self._slice
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end_after_answers()
        except httptools.HttpParserError:
            self._fail()
        else:
            if self._quiet > self._max_header_bytes + _SLICE:
                self._blame = self._too_large()
                self._fail()

    def _begin(self) -> None:
        """Put the request in its turn; it starts when all has been parsed that is here."""
        before: Exchange | None = self.cycle
        self.cycle = opened(self)
        if before is None or before.response_complete:
            self._begun = self.cycle
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    # --- what the parser finds

    def on_message_begin(self) -> None:
        """Start the deadline of the headers."""
        super().on_message_begin()
        self._state, self._since = _HEAD, self._wire.now
        self._quiet = self._slice

    def on_headers_complete(self) -> None:
        """Start the request, if all about it is within bounds."""
        if self._quiet > self._max_header_bytes or len(self.headers) > self._max_headers:
            self._check_size()
        if self.pipeline or self.parser.should_upgrade():
            self._check_rare()
        self._begin()
        self.headers = []  # of trailers, which are no headers of a request that has begun
        self._state, self._since = _BODY, self._wire.now
        self._quiet = self._body_bytes = 0
        if self._wire.draining:
            self.cycle.keep_alive = False
        if self.scope["http_version"] != "1.1":
            self._check_version()

    def on_body(self, body: bytes) -> None:
        """Hold a part of a body, if there is room."""
        size = len(body)
        if self._quiet:
            self._quiet = max(self._quiet - _PAYS_BACK * size, 0)
        self._body_bytes += size
        cycle = self.cycle
        if cycle.response_complete:
            return
        if not self._wire.bodies.hold(size):
            self._give_up(kinds.OVERLOADED, "Too many bytes of bodies are held.")
        self._held += size
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Wait for the next request."""
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()
        self._state, self._since = _IDLE, self._wire.now
        self._quiet = 0

    def on_response_complete(self) -> None:
        """Start the next request that is waiting, or be idle: uvicorn sets a timer there."""
        self.server_state.total_requests += 1
        if self._held:
            self._release(sum(len(cycle.body) for cycle, _ in self.pipeline))
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._deaf and self._state is not _LINGERING:
            self.transport.close()
        elif self._state is _IDLE:
            self._since = self._wire.now
            if self._wire.admission.full and self.cycle.status == kinds.OVERLOADED.status:
                self.flow.pause_reading()
                self._wire.rest(self)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        scope = cycle.scope
        if scope["method"] == "POST" and not cycle.more_body and self._lightly(scope["path"]):
            LightTask(cycle.run_asgi(app), self.loop, self.tasks)
        else:
            super()._start_asgi_task(cycle, app)

    # --- bounds that are seldom looked at

    def _check_size(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._max_header_bytes or len(self.headers) > self._max_headers:
            self._give_up(*self._too_large())

    def _too_large(self) -> tuple[Kind, str]:
        if self._state is _HEAD and len(self.url) > self._max_header_bytes // 2:
            return kinds.TARGET_TOO_LONG, f"At most {self._max_header_bytes} bytes with headers."
        detail = f"At most {self._max_header_bytes} bytes and {self._max_headers} headers are read."
        return kinds.HEADERS_TOO_LARGE, detail

    def _check_rare(self) -> None:
        if len(self.pipeline) >= _MAX_PIPELINED:
            self._give_up(kinds.OVERLOADED, "Too many requests were sent ahead of their answers.")
        framed = {b"content-length", b"transfer-encoding"}
        if self.parser.should_upgrade() and any(name in framed for name, _ in self.headers):
            # The parser would take the body for what comes after the upgrade.
            self._give_up(kinds.MALFORMED_REQUEST, "A request to upgrade must not have a body.")

    def _check_version(self) -> None:
        if self.scope["http_version"] != "1.0":
            self._give_up(kinds.HTTP_VERSION, "")
        if any(name == b"transfer-encoding" for name, _ in self.scope["headers"]):
            self._give_up(kinds.MALFORMED_REQUEST, "HTTP/1.0 knows no Transfer-Encoding.")

    def _give_up(self, kind: Kind, detail: str) -> NoReturn:
        self._blame = kind, detail
        raise BlamedError(kind.slug)

    # --- deadlines

    def look(self, now: float) -> None:
        """End what takes too long; called by the sweep."""
        waited_s = now - self._since
        if self._state is _LINGERING:
            if waited_s > _LINGER_S:
                self.transport.abort()
        elif self.transport.is_closing():
            self._look_at_end(now)
        elif self._is_stalled(now):
            self.transport.abort()
        elif self._deaf:
            return  # it closes after the answers that are due
        elif self._state is _BODY:
            self._look_at_body(now, waited_s)
        else:
            self._look_at_head(waited_s)

    def _look_at_head(self, waited_s: float) -> None:
        section = self._wire.section
        if self._state is _HEAD:
            if waited_s > section.header_timeout_s:
                self._late(kinds.HEADER_TIMEOUT)
        elif not self._is_busy() and waited_s > section.keep_alive_s:
            self.transport.close()

    def _look_at_end(self, now: float) -> None:
        if self._state is not _CLOSING:
            self._state, self._stalled_at = _CLOSING, None
        elif self._reads_nothing(now, _CLOSING_S):
            self.transport.abort()

    def _look_at_body(self, now: float, waited_s: float) -> None:
        cycle = self.cycle
        if self.flow.read_paused or (cycle.waiting_for_100_continue and self._is_busy()):
            self._since, self._body_bytes = now, 0  # it is we who do not read
            return
        least = self._wire.section.min_body_bytes_per_s * waited_s
        slow = waited_s > _BODY_START_S and self._body_bytes < least
        if slow or waited_s > self._wire.body_timeout_s + _GRACE_S:
            self._late(kinds.BODY_TIMEOUT)

    def _is_stalled(self, now: float) -> bool:
        """Say whether the client has read next to nothing of its answers for too long."""
        if not self.flow.write_paused:
            self._stalled_at = None
            return False
        return self._reads_nothing(now, self._wire.body_timeout_s)

    def _reads_nothing(self, now: float, most_s: float) -> bool:
        unread = self.transport.get_write_buffer_size() + unacknowledged(self.transport)
        enough = self._wire.section.min_body_bytes_per_s * most_s
        if self._stalled_at is None or self._unread - unread > enough:
            self._stalled_at, self._unread = now, unread
        return now - self._stalled_at > most_s

    def _is_busy(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def wake(self) -> None:
        """Go on reading after a rest."""
        if not self.transport.is_closing() and not self._is_busy():
            self.flow.resume_reading()

    # --- ends

    def shutdown(self) -> None:
        """Close when idle; who has begun to send a request may finish it."""
        if self._state is not _HEAD or self._deaf:
            super().shutdown()

    def _late(self, kind: Kind) -> None:
        self._blame = kind, ""
        self._fail()

    def _fail(self) -> None:
        """Answer the request that is broken; those before it get their own answers first."""
        kind, detail = self._blame or (kinds.MALFORMED_REQUEST, "")
        cycle = self.cycle
        if self._state is not _BODY:
            if self._is_busy():
                self._end_after_answers()
            else:
                self._refuse(kind, detail)
        elif self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
            self._end_after_answers()
        elif cycle.response_started:
            self._deaf = True
            self.transport.close()
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            self._refuse(kind, detail)

    def _end_after_answers(self) -> None:
        self._deaf = True
        if self._is_busy():
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, kind: Kind, detail: str) -> None:
        """Send the last answer, and wait a little: a reset would overtake it."""
        self._deaf = True
        self.transport.write(self._wire.refusal(kind, detail))
        if not self._wire.may_linger() or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._wire.lingering += 1
        self._state, self._since = _LINGERING, self._wire.now
        self.transport.write_eof()
        self.flow.resume_reading()

    def _release(self, keep: int) -> None:
        self._wire.bodies.release(self._held - keep)
        self._held = keep

    def _peer(self) -> str:
        return self.client[0] if self.client else ""
