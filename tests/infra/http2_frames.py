"""HTTP/2 by hand, for requests that no library lets one send: frames out, a status back."""

import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATIENCE_S = 8.0
DATA, HEADERS, RESET, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4
_INDEXED = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
"""Statuses in the static table of RFC 7541."""

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a request ended.

    Attributes:
        status: The answer's, or 0 if the stream or the connection was closed instead.
        body: The answer's.
    """

    status: int = 0
    body: bytes = b""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def block(headers: Headers) -> bytes:
    """Return a header block: every header a literal with a new name, nothing compressed."""
    return b"".join(b"\x10" + _text(name) + _text(value) for name, value in headers)


def _text(text: bytes) -> bytes:
    """Return a string of HPACK, its length as an integer with a prefix of seven bits."""
    if len(text) < 127:
        return bytes([len(text)]) + text
    rest, length = len(text) - 127, b"\x7f"
    while rest >= 128:
        length += bytes([rest % 128 + 128])
        rest //= 128
    return length + bytes([rest]) + text


def ask(port: int, certificate: Path, headers: Headers, body: bytes | None) -> Ending:
    """Send one request over a connection of its own, and wait for its end."""
    context = ssl.create_default_context(cafile=str(certificate / "server.crt"))
    context.set_alpn_protocols(["h2"])
    flags = END_HEADERS if body is not None else END_HEADERS | END_STREAM
    sent = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, flags, 1, block(headers))
    if body is not None:
        sent += frame(DATA, END_STREAM, 1, body)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as peer,
    ):
        peer.sendall(sent)
        return _ending(peer)


def _ending(peer: ssl.SSLSocket) -> Ending:
    status, body = 0, b""
    for kind, flags, payload in _frames(peer):
        if kind == HEADERS:
            status = _status(payload)
        elif kind == DATA:
            body += payload
        if kind in {RESET, GOAWAY} or (kind in {HEADERS, DATA} and flags & END_STREAM):
            return Ending(status=status, body=body)
    return Ending(status=status, body=body)


def _frames(peer: ssl.SSLSocket) -> Iterator[tuple[int, int, bytes]]:
    """Yield kind, flags and payload of what comes, until the other side closes."""
    received = b""
    while True:
        while len(received) >= 9 and len(received) >= (end := 9 + int.from_bytes(received[:3])):
            yield received[3], received[4], received[9:end]
            received = received[end:]
        more = b""
        with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
            more = peer.recv(65536)
        if not more:
            return
        received += more


def _status(payload: bytes) -> int:
    """Return the status: nginx says it first, by its index or as plain digits."""
    if payload[0] >> 5 == 1:  # another size for the table of compression comes before it
        payload = payload[1:]
    if payload[0] & 0x80:
        return _INDEXED[payload[0] & 0x7F]
    return int(payload[2:5])
