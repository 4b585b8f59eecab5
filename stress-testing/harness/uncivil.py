"""Senders without manners: what a server does with each, and after how long."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

_PATH = "/api/v1/progresses/films/00000000-0000-0000-0000-000000000001/"
_HEAD = f"POST {_PATH} HTTP/1.1\r\nHost: a\r\n".encode()
_LARGE = 102_400
_EVERY_S = 0.5

Says = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def slow_headers(writer: asyncio.StreamWriter) -> None:
    """Send a header now and then, and never the last one."""
    writer.write(_HEAD)
    while True:
        await asyncio.sleep(_EVERY_S)
        writer.write(b"X-A: b\r\n")


async def slow_body(writer: asyncio.StreamWriter, token: str) -> None:
    """Send a byte of the body now and then."""
    writer.write(_HEAD + b"Authorization: Bearer " + token.encode() + b"\r\n")
    writer.write(b"Content-Type: application/json\r\nContent-Length: 200\r\n\r\n")
    while True:
        await asyncio.sleep(_EVERY_S)
        writer.write(b" ")


async def large_headers(writer: asyncio.StreamWriter) -> None:
    """Send 100 KiB of one header."""
    writer.write(_HEAD + b"X-A: " + b"b" * _LARGE + b"\r\n\r\n")


async def two_lengths(writer: asyncio.StreamWriter) -> None:
    """Say how long the body is in two ways, as who smuggles requests does."""
    writer.write(_HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


async def silence(writer: asyncio.StreamWriter) -> None:
    """Connect and say nothing."""
    del writer


async def outcome(url: str, say: Says, *, within_s: float) -> str:
    """Return what a server does: its status, that it closes, or that it goes on listening."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    began = time.perf_counter()
    saying = asyncio.create_task(_say(say, writer))
    try:
        async with asyncio.timeout(within_s):
            answer = await reader.readline()
    except TimeoutError:
        return f"open after {within_s:g} s"
    except ConnectionError:
        answer = b""
    finally:
        saying.cancel()
        writer.close()
    taken = time.perf_counter() - began
    what = answer.split()[1].decode() if answer.startswith(b"HTTP/") else "closed"
    return f"{what} after {taken:.1f} s"


async def _say(say: Says, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        await say(writer)
