"""Reading a request's body: its kind, its size and how long it may take."""

import asyncio
from contextlib import suppress

from fastapi import Request
from starlette.requests import ClientDisconnect

from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError

_MAX_LENGTH_DIGITS = 15
_DISCARD_BYTES = 1_048_576
"""Read and dropped of a body that is too large, so that its sender gets to read the answer."""
_DISCARD_S = 1.0
_CLOSE = {"Connection": "close"}


def media_type(request: Request, taken: tuple[str, ...]) -> str:
    """Return the body's media type; without a header it is the first of `taken`.

    Raises:
        ProblemError: It is another one, or the body is compressed.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        detail = "The body must not be compressed."
        accept = {"Accept-Encoding": "identity"}
        raise ProblemError(kinds.UNSUPPORTED_MEDIA, detail, headers=accept)
    given = request.headers.get("content-type")
    name = taken[0] if given is None else given.partition(";")[0].strip().lower()
    if name not in taken:
        wanted = " or ".join(taken)
        detail = f"Send the body with Content-Type: {wanted}."
        accept = {"Accept": ", ".join(taken)}
        raise ProblemError(kinds.UNSUPPORTED_MEDIA, detail, headers=accept)
    return name


async def read_body(request: Request, *, limit: int, timeout_s: float) -> bytes:
    """Return the whole body.

    Args:
        request: The request.
        limit: Most bytes.
        timeout_s: Longest wait for the last byte, in seconds.

    Raises:
        ProblemError: It is too large or too slow.
        ClientDisconnect: The client went away.
    """
    try:
        async with asyncio.timeout(timeout_s):
            body = None if _says_too_large(request, limit) else await _read(request, limit)
    except TimeoutError as error:
        detail = f"The body did not arrive within {timeout_s:g} seconds."
        raise ProblemError(kinds.BODY_TIMEOUT, detail, headers=_CLOSE) from error
    if body is None:
        await _discard(request)
        detail = f"The body is larger than {limit} bytes."
        raise ProblemError(kinds.TOO_LARGE, detail, headers=_CLOSE)
    return body


def _says_too_large(request: Request, limit: int) -> bool:
    length = request.headers.get("content-length", "")
    return length.isdecimal() and (len(length) > _MAX_LENGTH_DIGITS or int(length) > limit)


async def _read(request: Request, limit: int) -> bytes | None:
    """Return the body; None as soon as it is larger than `limit`."""
    chunks: list[bytes] = []
    left = limit
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        left -= len(chunk)
        if left < 0:
            return None
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


async def _discard(request: Request) -> None:
    """Drop what follows, up to a bound; a client that waits for leave to send gets none."""
    if "expect" in request.headers:
        return
    left = _DISCARD_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_S):
            while left > 0:
                message = await request.receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
