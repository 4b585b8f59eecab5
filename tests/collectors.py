"""Servers that take traces and errors, or do not: a collector, a black hole, a refusing one."""

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import brotli

PATIENCE_S = 30
_PACKED = {"gzip": gzip.decompress, "br": brotli.decompress}


@dataclass
class Collector:
    """What came in; `came` wakes whoever waits for it."""

    url: str
    bodies: list[tuple[str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        with self.came:
            self.bodies.append((path, body))
            self.headers.append(headers)
            self.came.notify_all()

    def wait(self, wanted=lambda bodies: len(bodies) > 0) -> list[tuple[str, bytes]]:
        with self.came:
            assert self.came.wait_for(lambda: wanted(self.bodies), PATIENCE_S), self.bodies
            return list(self.bodies)


@contextmanager
def collector(status: int = 200) -> Iterator[Collector]:
    """Answer every request with the same status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            unpack = _PACKED.get(self.headers.get("content-encoding", ""), bytes)
            body = unpack(self._body())
            found.take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            with suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def black_hole() -> Iterator[Collector]:
    """Take connections and what is sent, and never answer."""
    listening = socket.create_server(("127.0.0.1", 0))
    found = Collector(f"http://127.0.0.1:{listening.getsockname()[1]}")
    held: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                held.append(listening.accept()[0])
                found.take("", {}, b"")

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield found
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for peer in held:
            peer.close()


@contextmanager
def nobody() -> Iterator[Collector]:
    """A port that is closed."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found = Collector(f"http://127.0.0.1:{probe.getsockname()[1]}")
    yield found


@contextmanager
def refusing() -> Iterator[Collector]:
    """Answer every request with 500."""
    with collector(500) as found:
        yield found
