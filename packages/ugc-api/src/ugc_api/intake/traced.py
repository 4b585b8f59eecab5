"""Around a write route, where tracing is on; where it is off there is nothing around it."""

from starlette.types import Message, Receive, Scope, Send

from ugc_api.intake.route import WriteRoute
from ugc_api.scopes import header
from ugc_core.tracing import TRACED, Active, Tracing

_HEADER = b"traceparent"


class Traced:
    """Pure ASGI: a request that is traced has its context in the records that it writes."""

    def __init__(self, route: WriteRoute, tracing: Tracing) -> None:
        """Trace requests to `route`, those that are taken for it."""
        self._route = route
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        active = self._tracing.start(header(scope, _HEADER), self._route.template)
        if active is None:
            await self._route(scope, receive, send)
        else:
            await self._answer(active, scope, receive, send)

    async def _answer(self, active: Active, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        before = TRACED.set(active.headers())
        try:
            await self._route(scope, receive, noting)
        finally:
            TRACED.reset(before)
            active.end(status)
