"""HTTP/1.1 by hand: bytes out, and the answers that come back until the connection ends."""

import contextlib
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PATIENCE_S = 8.0
"""An answer or an end comes much sooner; what takes longer hangs."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer: its status, its headers in lower case, its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Talk:
    """What came back on a connection.

    Attributes:
        answers: Those that could be read.
        rest: Bytes after them that are no answer.
        ended: Whether the other side closed the connection in time.
    """

    answers: list[Answer] = field(default_factory=list)
    rest: bytes = b""
    ended: bool = False


def converse(port: int, *parts: bytes) -> Talk:
    """Send these one after the other, and read until the other side has enough."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as peer:
        received, ended = exchange(peer, parts)
    answers, rest = parse(received)
    return Talk(answers=answers, rest=rest, ended=ended)


def exchange(peer: socket.socket, parts: Iterable[bytes]) -> tuple[bytes, bool]:
    """Send and read; whoever refuses may close before it has read everything."""
    received = b""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for part in parts:
            peer.sendall(part)
    try:
        while more := peer.recv(65536):
            received += more
    except ConnectionResetError:
        pass
    except TimeoutError:
        return received, False
    return received, True


def parse(received: bytes) -> tuple[list[Answer], bytes]:
    """Return the answers in these bytes, and what follows them."""
    answers = []
    while received.startswith(b"HTTP/1.") and b"\r\n\r\n" in received:
        head, _, rest = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", 0))
        assert "transfer-encoding" not in headers, "these answers all have a length"
        status = int(first.split(" ")[1])
        answers.append(Answer(status=status, headers=headers, body=rest[:length]))
        received = rest[length:]
    return answers, received
