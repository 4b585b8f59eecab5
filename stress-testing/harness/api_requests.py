"""Requests to ugc-api made beforehand, as bytes, so that a load generator only has to send them.

They are kept one behind the other in a file, each after its length: what `wrk.lua` and
`harness.open_loop` read.
"""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from harness.load import HEARTBEAT_S, bodies
from ugc_cli.tokens import Claims, mint
from ugc_core.api_settings import AuthSection
from ugc_core.clock import SystemClock

SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of services that live for minutes
TOKEN_S = 7200
_HEAD = (
    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    "Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
)
_ONE = "/api/v1/progresses/films/{film}/"
_MANY = "/api/v1/progresses/"
_FILMS = 1_000


class Shape(Struct, frozen=True, kw_only=True):
    """What requests to make.

    Attributes:
        users: Users, each with a token of its own.
        each: Requests of each user.
        batch: Reports in a request; 0: a single report, on the route of its film.
    """

    users: int = 2_000
    each: int = 10
    batch: int = 0


def requests(shape: Shape, *, first: int = 0) -> Iterator[bytes]:
    """Yield the first request of every user, then the second of each, and so on.

    Args:
        shape: How many, of what.
        first: Number of the first user; other users have other ids.
    """
    viewers = [
        (token(UUID(int=number + 1)), _kind(shape, number))
        for number in range(first, first + shape.users)
    ]
    for _ in range(shape.each):
        for bearer, made in viewers:
            path, kind, body = next(made)
            head = _HEAD.format(path=path, token=bearer, kind=kind, length=len(body))
            yield head.encode() + body


def write(path: Path, made: Iterable[bytes]) -> Path:
    """Write requests into a file and return its path."""
    with path.open("wb") as file:
        for request in made:
            file.write(b"%d\n%b" % (len(request), request))
    return path


def read(path: Path) -> list[bytes]:
    """Return the requests of a file."""
    found, text, at = [], path.read_bytes(), 0
    while at < len(text):
        start = text.index(b"\n", at) + 1
        at = start + int(text[at : start - 1])
        found.append(text[start:at])
    return found


def token(user_id: UUID) -> str:
    """Return a token of a user."""
    now_ms = SystemClock().wall_ms()
    claims = Claims(user_id=user_id, ttl_s=TOKEN_S)
    return mint(claims, AuthSection(secret=SECRET), now_ms=now_ms)


def _kind(shape: Shape, number: int) -> Iterator[tuple[str, str, bytes]]:
    if not shape.batch:
        return _singles(number, shape.each)
    made = bodies(number, batch=shape.batch, batches=shape.each)
    return ((_MANY, "application/x-ndjson", body) for body in made)


def _singles(number: int, many: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield one viewer's heartbeats, with an id of its own for each."""
    at_ms = time.time_ns() // 1_000_000
    stamp = f"{at_ms:012x}"
    film = UUID(int=0xF << 64 | number % _FILMS + 1)
    session = UUID(int=0xA << 64 | number + 1)
    for step in range(many):
        from_s = step * HEARTBEAT_S
        body = {
            "event_id": f"{stamp[:8]}-{stamp[8:]}-7000-8000-{number << 20 | step:012x}",
            "progress": from_s + HEARTBEAT_S,
            "total": 5400,
            "watched_from": from_s,
            "viewed_at": at_ms + step,
            "session_id": str(session),
            "seq": step,
            "kind": "heartbeat",
            "device": "tv",
        }
        yield _ONE.format(film=film), "application/json", json.dumps(body).encode()
