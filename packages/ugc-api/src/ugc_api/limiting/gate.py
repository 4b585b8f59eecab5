"""In front of every request under `/api/`: is there room, and may this address ask again?"""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Receive, Scope, Send

from ugc_api.limiting.answers import cut_off, overloaded
from ugc_api.limiting.limiter import Limiter
from ugc_api.limiting.wire import Wire
from ugc_api.operating.answering import Answer, named, rendered, say, wrote_whole
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.operating.request_ids import HEADER, request_id
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError, raw
from ugc_api.scopes import header
from ugc_core.clock import Clock

_GUARDED = "/api/"
"""Probes and metrics are answered always: under overload more than ever."""


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
        self._full: Answer = raw(overloaded())
        self._full_lines = rendered(self._full[1])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] != "http" or not scope["path"].startswith(_GUARDED):
            await self.app(scope, receive, send)
            return
        admission = self._wire.admission
        if not admission.enter():
            self._metrics.shed(kinds.OVERLOADED.slug)
            await self._refuse(self._full, scope, send, lines=self._full_lines)
            return
        try:
            self._limiter.ask(scope)
            await self.app(scope, receive, send)
        except ProblemError as error:
            await self._refuse(raw(error), scope, send)
        except asyncio.CancelledError:
            if not self._wire.draining:
                raise
            with suppress(RuntimeError):  # it had an answer, or a part of one, already
                await self._refuse(raw(cut_off()), scope, send)
        finally:
            admission.leave()

    async def _refuse(
        self, answer: Answer, scope: Scope, send: Send, *, lines: bytes | None = None
    ) -> None:
        status, _, body = answer
        name = request_id(header(scope, HEADER), self._clock)
        self._metrics.request_ended("none", scope["method"], status)
        if lines is None or not wrote_whole(scope, send, status, named(lines, name, body), body):
            await say(send, answer, name)
