"""HTTP by hand: what a client sends byte by byte, and all that it hears."""

import contextlib
import socket
from collections.abc import Iterator

import msgspec

from tests.integration.api_processes import ONE, ApiProcess, bearer, connection

GET = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*lines: str, body: bytes = b"") -> bytes:
    """Return a report's request with a good token and these headers."""
    head = [f"POST {ONE} HTTP/1.1", "Host: a", f"Authorization: {bearer()['Authorization']}"]
    return "\r\n".join([*head, *lines, "", ""]).encode() + body


class Answer(msgspec.Struct):
    """One answer.

    Attributes:
        status: Its status.
        headers: Its headers, names in lower case.
        body: Its body.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """The type of the problem that it carries."""
        assert self.headers["content-type"] == "application/problem+json", self
        assert self.headers["x-request-id"]
        return str(msgspec.json.decode(self.body)["type"])


def read_answer(peer: socket.socket) -> Answer:
    """Read one answer, and not a byte of the next one."""
    head = _exactly(peer, 12)
    while not head.endswith(b"\r\n\r\n"):
        head += _exactly(peer, 1)
    (answer,) = _split(head)
    answer.body = _exactly(peer, int(answer.headers.get("content-length", 0)))
    return answer


def _exactly(peer: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = peer.recv(size - len(found))
        assert more, f"closed after {found!r}"
        found += more
    return found


def read_all(peer: socket.socket) -> list[Answer]:
    """Read answers until the service closes the connection; a reset counts as that."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while more := peer.recv(65_536):
            received += more
    return list(_split(received))


def _split(received: bytes) -> Iterator[Answer]:
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        size = int(headers.get("content-length", 0))
        yield Answer(int(status.split()[1]), headers, rest[:size])
        received = rest[size:]


def heard(service: ApiProcess, *parts: bytes) -> list[Answer]:
    """Send these bytes, and return all answers until the service closes the connection."""
    with connection(service) as peer:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                peer.sendall(part)
        return read_all(peer)
