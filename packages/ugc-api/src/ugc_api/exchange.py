"""A request and its answer: uvicorn's own, with a short cut for answers that are there at once."""

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn._types import ASGI3Application, ASGISendEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from ugc_api.operating.answering import WHOLE_ANSWER, rendered
from ugc_api.scopes import WHOLE_BODY

_LEFT_TO_UVICORN: Final = frozenset({b"connection", b"transfer-encoding"})
_NO_CONTENT: Final = 204
_CONTROL: Final = bytes({*range(32), 127} - set(b"\t\r\n"))


class _Defaults:
    """The headers of every answer as lines; uvicorn makes new ones each second, for the date."""

    def __init__(self) -> None:
        self._of: Sequence[tuple[bytes, bytes]] = ()
        self._lines = b""

    def lines(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        if headers is not self._of:
            self._of, self._lines = headers, rendered(headers)
        return self._lines


_defaults: Final = _Defaults()


class Exchange(RequestResponseCycle):
    """Writes a head and a whole body by one system call, and everything else as uvicorn does.

    uvicorn makes a call for the head and one for the body, and searches the name and the value of
    every header by a regular expression; here the whole head is looked through once, and not at
    all if the application vouches for it (`ugc_api.operating.answering.wrote_whole`).

    Attributes:
        status: The status of the answer; 0 before there is one.
    """

    status = 0
    _start: HTTPResponseStartEvent | None = None

    def run_asgi(self, app: ASGI3Application) -> Coroutine[Any, Any, None]:
        """Return what runs the application; it is told of a body that is all here already."""
        if not self.more_body:
            # No method of ours: scope and exchange would hold each other until they are collected.
            self.scope["extensions"] = {
                WHOLE_BODY: {"take": partial(_take, self.body)},
                WHOLE_ANSWER: _AT_ONCE,
            }
        return super().run_asgi(app)

    async def send(self, message: ASGISendEvent) -> None:
        """Hold a head back until its body comes; one that was never written may be replaced."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._start, self.status = message, message["status"]
            return
        start, self._start = self._start, None
        if start is not None:
            if self._wrote_whole(start, message):
                return
            await super().send(start)
        await super().send(message)

    def _wrote_whole(self, start: HTTPResponseStartEvent, message: ASGISendEvent) -> bool:
        if message["type"] != "http.response.body" or message.get("more_body", False):
            return False
        if not self._is_free():
            return False
        body = message.get("body", b"")
        headers = [*self.default_headers, *start["headers"]]
        head = _head(start["status"], headers, length=len(body), keep_alive=self.keep_alive)
        if head is None:
            return False
        self._write(head + body)
        return True

    def write_whole(self, status: int, head: bytes, body: bytes) -> bool:
        """Answer; say whether that was possible. See `ugc_api.operating.answering.wrote_whole`."""
        if self.response_started or not (self.keep_alive and self._is_free()):
            return False
        self._start, self.status = None, status
        defaults = _defaults.lines(self.default_headers)
        self._write(b"".join((STATUS_LINE[status], defaults, head, b"\r\n", body)))
        return True

    def _is_free(self) -> bool:
        """Say whether an answer with a body may be written now."""
        return not (self.disconnected or self.flow.write_paused or self.scope["method"] == "HEAD")

    def _write(self, answer: bytes) -> None:
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(answer)
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


_AT_ONCE: Final[dict[object, object]] = {"send": Exchange.send, "write": Exchange.write_whole}


def _take(body: bytearray) -> bytes:
    """Hand a body over; it is not received any more."""
    taken = bytes(body)
    body.clear()
    return taken


def opened(connection: HttpToolsProtocol) -> Exchange:
    """Complete the scope of a request whose headers are all here, and return its exchange."""
    parser, scope = connection.parser, connection.scope
    version = parser.get_http_version()
    url = httptools.parse_url(connection.url)
    path = url.path.decode("ascii")
    scope["method"] = parser.get_method().decode("ascii")
    scope["http_version"] = version
    scope["path"] = connection.root_path + (unquote(path) if "%" in path else path)
    scope["raw_path"] = connection.root_path.encode("ascii") + url.path
    scope["query_string"] = url.query or b""
    return Exchange(
        scope=scope,
        transport=connection.transport,
        flow=connection.flow,
        logger=connection.logger,
        access_logger=connection.access_logger,
        access_log=connection.access_log,
        default_headers=connection.server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=connection.expect_100_continue,
        keep_alive=version != "1.0" and parser.should_keep_alive(),
        on_response=connection.on_response_complete,
    )


def _head(
    status: int, headers: Sequence[tuple[bytes, bytes]], *, length: int, keep_alive: bool
) -> bytes | None:
    """Return the head of an answer; None if there is anything about it to think of."""
    parts = [STATUS_LINE[status]]
    told = None
    for name, value in headers:
        if name == b"content-length":
            told = value
        elif name in _LEFT_TO_UVICORN or not name.islower():
            return None
        parts += (name, b": ", value, b"\r\n")
    if told != b"%d" % length and not (told is None and status == _NO_CONTENT and not length):
        return None
    parts.append(b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
    head = b"".join(parts)
    lines = len(headers) + (2 if keep_alive else 3)
    if head.count(b"\r") != lines or head.count(b"\n") != lines:
        return None  # a header would end early: uvicorn says so
    if len(head.translate(None, _CONTROL)) != len(head):
        return None
    return head
