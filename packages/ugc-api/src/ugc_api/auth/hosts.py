"""For whom the service answers: a name that is not ours in `Host` is an attempt to be cited."""

import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError, respond

_PROBES = frozenset({"/livez", "/readyz"})
"""Orchestrators call an address, and no name."""
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{0,5})?")
_KNOWN_MOST = 1000


class Hosts:
    """The names that the service answers to; `*.example.com` stands for all below it."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Allow these; none at all allows every name."""
        names = [name.strip().lower().rstrip(".").encode() for name in allowed]
        self._names = frozenset(name for name in names if name and not name.startswith(b"*."))
        self._below = tuple(name[1:] for name in names if name.startswith(b"*."))
        self._any = not names
        self._known: set[bytes] = set()

    def allow(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Say whether a request with these raw headers is for us: one Host, and a name of ours."""
        if self._any:
            return True
        found = [value for name, value in headers if name == b"host"]
        return len(found) == 1 and (found[0] in self._known or self._looked_up(found[0]))

    def _looked_up(self, header: bytes) -> bool:
        parts = _HOST.fullmatch(header)
        if parts is None:
            return False
        name = parts[1].lower().rstrip(b".").strip(b"[]")
        if name not in self._names and not name.endswith(self._below):
            return False
        if len(self._known) < _KNOWN_MOST:
            self._known.add(header)
        return True


class HostGate:
    """Pure ASGI: turns requests for other hosts away, except probes."""

    def __init__(self, app: ASGIApp, *, hosts: Hosts, refused: ASGIApp) -> None:
        """Stand in front of `app`; what is for others goes to `refused`."""
        self._app = app
        self._hosts = hosts
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        app = self._app
        if scope["type"] == "http" and scope["path"] not in _PROBES:
            app = app if self._hosts.allow(scope["headers"]) else self._refused
        await app(scope, receive, send)


async def refuse_host(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer any request with a 400."""
    detail = "This service does not answer under the name in the Host header."
    await respond(ProblemError(kinds.UNKNOWN_HOST, detail).problem)(scope, receive, send)
