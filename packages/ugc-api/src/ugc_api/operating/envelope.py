"""Around every request: its id, its place in the metrics, and an answer whatever happens."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from ugc_api.operating.metrics import ApiMetrics
from ugc_api.operating.request_ids import HEADER, request_id
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError, respond
from ugc_api.scopes import header
from ugc_core.clock import Clock

_log = structlog.get_logger()


class Envelope:
    """Pure ASGI: it copies nothing and hides no disconnect."""

    def __init__(self, app: ASGIApp, *, metrics: ApiMetrics, clock: Clock) -> None:
        """Wrap `app`."""
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = request_id(header(scope, HEADER), self._clock)
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (HEADER, name)]}
            await send(message)

        self._metrics.in_flight_add(1)
        with bound_contextvars(request_id=name.decode()):
            try:
                await self._app(scope, receive, send_named)
            except Exception:
                _log.exception("request failed", method=scope["method"], route=_route(scope))
                if status:  # too late for another answer
                    raise
                error = ProblemError(kinds.INTERNAL, "The service met an unexpected error.")
                await respond(error.problem)(scope, receive, send_named)
            finally:
                self._metrics.in_flight_add(-1)
                self._metrics.request_ended(_route(scope), scope["method"], status)


def _route(scope: Scope) -> str:
    """Return the template of the matched route: a path would make a label without bounds."""
    return getattr(scope.get("route"), "path", "none")
