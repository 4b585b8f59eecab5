"""Reading a request's body: its kind, its size and how long it may take."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from ugc_api import media_types
from ugc_api.intake.compression import coding_of, inflate
from ugc_api.intake.patience import Patience
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError

Headers = Mapping[bytes, bytes]

_MAX_LENGTH_DIGITS = 15
_DISCARD_BYTES = 1_048_576
"""Read and dropped of a body that is too large, so that its sender gets to read the answer."""
_DISCARD_S = 1.0
_CLOSE = {"Connection": "close"}
_USUAL = {kind.encode(): kind for kind in (media_types.JSON, media_types.NDJSON)}


def media_type(headers: Headers, taken: tuple[str, ...]) -> str:
    """Return the body's media type; without a header it is the first of `taken`.

    Raises:
        ProblemError: It is another one.
    """
    given = headers.get(b"content-type")
    if given is None:
        return taken[0]
    name = _USUAL.get(given) or given.decode("latin-1").partition(";")[0].strip().lower()
    if name not in taken:
        wanted = " or ".join(taken)
        detail = f"Send the body with Content-Type: {wanted}."
        accept = {"Accept": ", ".join(taken)}
        raise ProblemError(kinds.UNSUPPORTED_MEDIA, detail, headers=accept)
    return name


def unpacked(headers: Headers, whole: bytes, *, limit: int) -> bytes:
    """Return a body that is here, inflated.

    Args:
        headers: The request's headers.
        whole: The body.
        limit: Most bytes, on the wire and inflated.

    Raises:
        ProblemError: It is too large, or not compressed in a way that is taken.
    """
    coding = _coding(headers)
    if len(whole) > limit:
        raise _too_large(limit)
    return inflate(whole, coding, limit=limit) if coding else whole


async def read_body(headers: Headers, receive: Receive, *, limit: int, patience: Patience) -> bytes:
    """Return the whole body, inflated.

    Args:
        headers: The request's headers.
        receive: Where it comes from.
        limit: Most bytes, on the wire and inflated.
        patience: Longest wait for the last byte.

    Raises:
        ProblemError: It is too large, too slow, or not compressed in a way that is taken.
        ClientDisconnect: The client went away.
    """
    coding = _coding(headers)  # refused before anything is received
    body = await _received(headers, receive, limit, patience)
    return inflate(body, coding, limit=limit) if coding else body


def _coding(headers: Headers) -> str:
    encoding = headers.get(b"content-encoding")
    return "" if encoding is None else coding_of(encoding.decode("latin-1"))


async def _received(headers: Headers, receive: Receive, limit: int, patience: Patience) -> bytes:
    wait = patience.begin()
    try:
        body = await _read(headers, receive, limit)
    except asyncio.CancelledError as error:
        if not wait.expired or _others_cancelled():
            raise
        detail = f"The body did not arrive within {patience.timeout_s:g} seconds."
        raise ProblemError(kinds.BODY_TIMEOUT, detail, headers=_CLOSE) from error
    finally:
        wait.end()
    if body is None:
        await _discard(headers, receive)
        raise _too_large(limit)
    return body


def _too_large(limit: int) -> ProblemError:
    detail = f"The body is larger than {limit} bytes."
    return ProblemError(kinds.TOO_LARGE, detail, headers=_CLOSE)


async def _read(headers: Headers, receive: Receive, limit: int) -> bytes | None:
    """Return the body; None as soon as it is, or says that it will be, larger than `limit`."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > _MAX_LENGTH_DIGITS or int(length) > limit):
        return None
    chunks: list[bytes] = []
    left = limit
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        left -= len(chunk)
        if left < 0:
            return None
        if not message.get("more_body", False):
            return b"".join([*chunks, chunk]) if chunks else chunk
        chunks.append(chunk)


async def _discard(headers: Headers, receive: Receive) -> None:
    """Drop what follows, up to a bound; a client that waits for leave to send gets none."""
    if b"expect" in headers:
        return
    left = _DISCARD_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_S):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _others_cancelled() -> bool:
    """Take our own cancellation of this task back, and say whether there was another one."""
    task = asyncio.current_task()
    return task is not None and task.uncancel() > 0
