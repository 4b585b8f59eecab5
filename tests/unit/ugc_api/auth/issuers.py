"""A real HTTP server that publishes keys, well or badly."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class JwksServer:
    """Answers every GET as the test has said; runs until the block ends.

    Attributes:
        body: The document.
        status: The status.
        headers: More headers.
        asked: The headers of every request.
        stalls: What happens in the middle of an answer: nothing, or silence until it is set.
    """

    def __init__(self, body: bytes, *, port: int = 0) -> None:
        self.body = body
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked: list[dict[str, str]] = []
        self.stalls: threading.Event | None = None
        self.endless = False
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"

    @contextlib.contextmanager
    def running(self) -> Iterator["JwksServer"]:
        serving = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield self
        finally:
            if self.stalls is not None:
                self.stalls.set()
            self._server.shutdown()
            self._server.server_close()
            serving.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.asked.append(dict(request.headers))
        tag = self.headers.get("ETag")
        if tag and request.headers.get("If-None-Match") == tag:
            request.send_response(304)
            request.end_headers()
            return
        request.send_response(self.status)
        lengths = {} if self.endless else {"Content-Length": str(len(self.body))}
        for name, value in (self.headers | lengths).items():
            request.send_header(name, value)
        request.end_headers()
        half = len(self.body) // 2
        request.wfile.write(self.body[:half])
        if self.stalls is not None:
            self.stalls.wait(30)
        request.wfile.write(self.body[half:])
        while self.endless:
            request.wfile.write(b" " * 65_536)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        scene = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(ConnectionError):
                    scene.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
