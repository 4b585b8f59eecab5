"""HTTP/1.1 by hand: bytes out, and the answers that come back until the connection ends."""

import contextlib
import socket
from collections.abc import Callable, Mapping
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


def converse(port: int, first: bytes, then: bytes = b"", *, patiently: bool = False) -> Talk:
    """Send these, and read until the other side closes.

    Both at once, or, `patiently`, the second when there is an answer to the first: what has come
    already and what is still to come takes different ways through a server.
    """
    head = first.startswith(b"HEAD ")
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as peer:
        if not patiently:
            received, ended = _read(peer, first + then)
        else:
            received, ended = _read(peer, first, lambda so_far: bool(parse(so_far, head=head)[0]))
            if not ended:
                more, ended = _read(peer, then)
                received += more
    answers, rest = parse(received, head=head)
    return Talk(answers=answers, rest=rest, ended=ended)


def _read(
    peer: socket.socket, sent: bytes, enough: Callable[[bytes], bool] = lambda _: False
) -> tuple[bytes, bool]:
    """Send and read to the end; whoever refuses may close before it has read everything."""
    received = b""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        peer.sendall(sent)
    try:
        while not enough(received):
            more = peer.recv(65536)
            if not more:
                return received, True
            received += more
    except ConnectionResetError:
        return received, True
    except TimeoutError:
        return received, False
    return received, False


def parse(received: bytes, *, head: bool = False) -> tuple[list[Answer], bytes]:
    """Return the answers in these bytes, and what follows them; the first to `head` has no body."""
    answers: list[Answer] = []
    while received.startswith(b"HTTP/1.") and b"\r\n\r\n" in received:
        start, _, rest = received.partition(b"\r\n\r\n")
        first, *lines = start.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = 0 if head and not answers else int(headers.get("content-length", 0))
        assert "transfer-encoding" not in headers, "these answers all have a length"
        status = int(first.split(" ")[1])
        answers.append(Answer(status=status, headers=headers, body=rest[:length]))
        received = rest[length:]
    return answers, received
