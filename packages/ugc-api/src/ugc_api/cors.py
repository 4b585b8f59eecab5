"""Cross-origin requests: pages of the origins that the settings name, exactly, and no others.

It stands outside everything, so that a page can read errors, too. Origins are compared byte by
byte with what a browser sends; nothing is a pattern, `null` is nobody, and there are no
credentials of the browser's own: tokens come in headers and bodies, never in cookies.
"""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ugc_api.operating.answering import Pairs, say
from ugc_api.operating.metrics import ApiMetrics
from ugc_api.operating.request_ids import HEADER, request_id
from ugc_api.paths import BEACONS_PATH
from ugc_api.scopes import header
from ugc_core.clock import Clock

PREFIX = "/api/v1/"
"""What pages call; neither the documentation nor anything for whoever runs the service."""
EXPOSED = "X-Request-ID, Retry-After, RateLimit, RateLimit-Policy"
_VARY = (b"vary", b"Origin")
_ANY = ("X-Request-ID",)
_SIGNED_IN = ("Authorization",)
_WITH_BODY = ("Content-Encoding", "Content-Type", "Idempotency-Key", "Traceparent")


class Ability(Struct, frozen=True, kw_only=True):
    """What a page may do with one path.

    Attributes:
        template: The path, with the names of its parameters.
        path: Matches the path.
        methods: The methods that its routes take.
        headers: The headers that they look at.
    """

    template: str
    path: re.Pattern[str]
    methods: str
    headers: str


def abilities(routes: Iterable[BaseRoute]) -> Sequence[Ability]:
    """Return what pages may do, from the routes themselves."""
    methods: dict[str, set[str]] = {}
    paths: dict[str, re.Pattern[str]] = {}
    for route in routes:
        if isinstance(route, Route) and route.path.startswith(PREFIX):
            methods.setdefault(route.path, set()).update(route.methods or ())
            paths[route.path] = route.path_regex
    return [
        Ability(
            template=template,
            path=paths[template],
            methods=", ".join(sorted(taken)),
            headers=", ".join(sorted(_headers(template, taken))),
        )
        for template, taken in methods.items()
    ]


def _headers(template: str, methods: set[str]) -> set[str]:
    found = set(_ANY)
    if template != BEACONS_PATH:  # its token is in the body
        found.update(_SIGNED_IN)
    if "POST" in methods:
        found.update(_WITH_BODY)
    return found


class Cors:
    """Pure ASGI; a request without an Origin passes untouched."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        abilities: Sequence[Ability],
        origins: Iterable[str],
        max_age_s: int,
        metrics: ApiMetrics,
        clock: Clock,
    ) -> None:
        """Wrap `app`."""
        self.app = app
        self._abilities = abilities
        self._allowed: dict[bytes, Pairs] = {
            origin.encode(): (
                (b"access-control-allow-origin", origin.encode()),
                (b"access-control-expose-headers", EXPOSED.encode()),
                _VARY,
            )
            for origin in origins
        }
        self._max_age = str(max_age_s).encode()
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer a preflight."""
        origin = header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None or not scope["path"].startswith(PREFIX):
            await self.app(scope, receive, send)
            return
        allowed = self._allowed.get(origin)
        ability = self._asked(scope) if allowed else None
        if allowed and ability:
            await self._answer(scope, send, allowed[0], ability)
            return
        more = allowed or (_VARY,)

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self.app(scope, receive, send_allowed)

    def _asked(self, scope: Scope) -> Ability | None:
        """Return what a preflight asks for; None if it is none, or for nothing that is here."""
        asking = header(scope, b"access-control-request-method")
        if scope["method"] != "OPTIONS" or asking is None:
            return None
        return next((one for one in self._abilities if one.path.match(scope["path"])), None)

    async def _answer(
        self, scope: Scope, send: Send, origin: tuple[bytes, bytes], ability: Ability
    ) -> None:
        headers = [
            origin,
            (b"access-control-allow-methods", ability.methods.encode()),
            (b"access-control-allow-headers", ability.headers.encode()),
            (b"access-control-max-age", self._max_age),
            _VARY,
        ]
        self._metrics.request_ended(ability.template, scope["method"], 204)
        name = request_id(header(scope, HEADER), self._clock)
        await say(send, (204, headers, b""), name)
