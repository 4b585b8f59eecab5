"""In front of every request under `/api/`: is there room, and may this address ask again?"""

import asyncio
from contextlib import suppress
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from ugc_api.limiting.answers import cut_off, overloaded
from ugc_api.limiting.limiter import Limiter
from ugc_api.limiting.wire import Wire
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.operating.request_ids import HEADER, named, request_id
from ugc_api.problems.problem import ProblemError, raw
from ugc_api.scopes import header, rendered, wrote_whole
from ugc_core.clock import Clock

_CLOSES = b"connection"
_GUARDED = "/api/"
"""Probes and metrics are answered always: under overload more than ever."""


class _Refusal(NamedTuple):
    """The answer to who is refused: its headers as pairs, and as lines if they allow it."""

    status: int
    pairs: list[tuple[bytes, bytes]]
    lines: bytes | None
    body: bytes


class Gate:
    """Pure ASGI: who is refused here has cost next to nothing, and its body was not read."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limiter: Limiter,
        wire: Wire,
        metrics: ApiMetrics,
        clock: Clock,
    ) -> None:
        """Stand in front of `app`."""
        self.app = app
        self._limiter = limiter
        self._wire = wire
        self._metrics = metrics
        self._clock = clock
        error = overloaded()
        self._full, self._full_slug = _refusal(error), error.kind.slug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http" or not scope["path"].startswith(_GUARDED):
            await self.app(scope, receive, send)
            return
        admission = self._wire.admission
        if not admission.enter():
            self._metrics.shed(self._full_slug)
            await self._refuse(self._full, scope, send)
            return
        try:
            self._limiter.ask(scope)
            await self.app(scope, receive, send)
        except ProblemError as error:
            await self._refuse(_refusal(error), scope, send)
        except asyncio.CancelledError:
            if not self._wire.draining:
                raise
            with suppress(RuntimeError):  # it had an answer, or a part of one, already
                await self._refuse(_refusal(cut_off()), scope, send)
        finally:
            admission.leave()

    async def _refuse(self, refusal: _Refusal, scope: Scope, send: Send) -> None:
        status, pairs, lines, body = refusal
        name = request_id(header(scope, HEADER), self._clock)
        self._metrics.request_ended("none", scope["method"], status)
        if lines is not None and wrote_whole(scope, send, status, named(lines, name, body), body):
            return
        headers = [*pairs, (HEADER, name), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _refusal(error: ProblemError) -> _Refusal:
    status, pairs, body = raw(error)
    closes = any(name == _CLOSES for name, _ in pairs)  # the server has to see that
    return _Refusal(status, pairs, None if closes else rendered(pairs), body)
