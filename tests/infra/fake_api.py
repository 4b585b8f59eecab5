"""Something that stands where the service would, says what it was asked, and fails on demand."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANGS = "/api/v1/hangs/"
BREAKS = "/api/v1/breaks/"
LARGE = "/api/v1/large/"
FAILS = "/api/v1/fails/"
OWN_HEADERS = {
    "Content-Security-Policy": "default-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Retry-After": "7",
    "Cache-Control": "private",
    "X-Request-ID": "the-service-s-own",
}


class FakeApi(ThreadingHTTPServer):
    """Remembers what came.

    Attributes:
        seen: Method and path of each request.
        peers: Ports that the requests came from: as many as there were connections.
        released: Set when what hangs may go on.
    """

    daemon_threads = True
    request_queue_size = 128
    """Five by default: of twenty connections at once some would be made only after a second or
    three, when their first packet is sent again, and nginx waits two."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str]] = []
        self.peers: set[int] = set()
        self.released = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: the second would wait for the first's receipt
    server: FakeApi  # type: ignore[mutable-override]

    def do_GET(self) -> None:
        self.server.seen.append((self.command, self.path))
        self.server.peers.add(self.client_address[1])
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, _, _ = self.path.partition("?")
        if path == BREAKS:
            self.close_connection = True
            return
        if path == HANGS:
            self.server.released.wait(20)
        asked = {
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body_bytes": len(body),
            "padding": "x" * 5000 if self.path == LARGE else "",
        }
        self._say(json.dumps(asked).encode())

    do_POST = do_OPTIONS = do_HEAD = do_GET  # noqa: N815 - http.server calls them so

    def _say(self, body: bytes) -> None:
        taken = 202 if self.command == "POST" else 200
        self.send_response(503 if self.path == FAILS else taken)
        for name, value in (OWN_HEADERS if self.path == FAILS else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


@contextlib.contextmanager
def fake_api() -> Iterator[FakeApi]:
    """Run one until the block ends."""
    with FakeApi() as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield listening
        finally:
            listening.released.set()
            listening.shutdown()
            thread.join()


def headers_of(asked: dict[str, Any]) -> dict[str, str]:
    """Return the headers that came, each of which may have come once only."""
    found = dict(asked["headers"])
    assert len(found) == len(asked["headers"]), asked["headers"]
    return found
