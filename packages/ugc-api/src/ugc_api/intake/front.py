"""In front of the framework: write requests are answered here, all others are passed on."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from ugc_api.intake.single import is_single


class Front:
    """Pure ASGI.

    Attributes:
        app: What takes every other request.
    """

    def __init__(self, app: ASGIApp, *, single: ASGIApp, others: Mapping[str, ASGIApp]) -> None:
        """Stand in front of `app`; `others` has write routes by their paths."""
        self.app = app
        self._single = single
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        route: ASGIApp = self.app
        if scope["type"] == "http" and scope["method"] == "POST":
            path = scope["path"]
            route = self._single if is_single(path) else self._others.get(path, route)
        await route(scope, receive, send)
