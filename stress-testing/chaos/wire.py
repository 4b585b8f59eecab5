"""A TCP proxy that knows no protocol: it holds up, slows down, cuts and loses what passes."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

_CHUNK = 65_536
_LOOK_S = 0.05
_SLOW_BYTES_S = 20_000
_CUT = 0.05
"""How likely a lossy line is cut at a chunk."""


class Weather(StrEnum):
    """What becomes of what passes."""

    FAIR = "everything passes"
    HELD = "connections are taken, and nothing passes"
    DEAF = "nothing that the server says arrives"
    SLOW = "twenty kilobytes a second pass"
    LOSSY = "one chunk in twenty is lost, and its connection with it"


@dataclass(kw_only=True)
class Wire:
    """Stands between clients and one server.

    Attributes:
        target: The server's port; set before the first connection.
        weather: What becomes of what passes; may change at any time.
        rewrite: Changes a request of a protocol whose messages begin with their length in
            four bytes, as Kafka's do; is given the message without it.
        answer: Changes an answer in the same way; an empty one cuts the connection.
    """

    target: int = 0
    weather: Weather = Weather.FAIR
    rewrite: Callable[[bytes], bytes] | None = None
    answer: Callable[[bytes], bytes] | None = None
    _rng: random.Random = field(default_factory=lambda: random.Random(1))

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[int]:
        """Listen on a port, by default on a free one; yield it."""
        talks: set[asyncio.Task[None]] = set()

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                talks.add(task)
                task.add_done_callback(talks.discard)
            with suppress(OSError, asyncio.CancelledError):
                await self._talk(reader, writer)

        server = await asyncio.start_server(meet, "127.0.0.1", port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in [*talks]:
                task.cancel()
            if talks:
                await asyncio.wait([*talks], timeout=5)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass everything on until one side leaves."""
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        up = asyncio.create_task(self._pump(reader, back, asks=True))
        down = asyncio.create_task(self._pump(there, writer, asks=False))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in (up, down):
                pump.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            for side in (writer, back):
                side.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asks: bool
    ) -> None:
        while chunk := await self._next(reader, asks=asks):
            while self.weather is Weather.HELD:  # noqa: ASYNC110 - weather is a plain attribute
                await asyncio.sleep(_LOOK_S)
            if self.weather is Weather.DEAF and not asks:
                continue
            if self.weather is Weather.LOSSY and self._rng.random() < _CUT:
                return
            await self._send(writer, chunk)

    async def _next(self, reader: asyncio.StreamReader, *, asks: bool) -> bytes:
        change = self.rewrite if asks else self.answer
        if change is None:
            return await reader.read(_CHUNK)
        try:
            head = await reader.readexactly(4)
            body = change(await reader.readexactly(int.from_bytes(head)))
        except asyncio.IncompleteReadError:
            return b""
        return len(body).to_bytes(4) + body if body else b""

    async def _send(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        part = round(_SLOW_BYTES_S * _LOOK_S)
        while chunk and self.weather is Weather.SLOW:
            writer.write(chunk[:part])
            chunk = chunk[part:]
            await writer.drain()
            await asyncio.sleep(_LOOK_S)
        writer.write(chunk)
        await writer.drain()
