"""Servers that stand where ClickHouse should, each with one trait."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

REVISION = 54440
"""Of the native protocol: settings travel as strings, no traces, no profile events."""

HELLO, QUERY, DATA, PING = 0, 1, 2, 4


def varint(number: int) -> bytes:
    """Return an unsigned LEB128 number."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def string(text: str) -> bytes:
    """Return a text with its length."""
    data = text.encode()
    return varint(len(data)) + data


def progress(rows: int = 1) -> bytes:
    """Return the packet that says how far a query has come."""
    return varint(3) + varint(rows) * 5


def exception(code: int = 241, text: str = "DB::Exception: Memory limit exceeded") -> bytes:
    """Return the packet that ends a query with an error."""
    name_and_rest = string("DB::Exception") + string(text) + string("") + b"\0"
    return varint(2) + struct.pack("<i", code) + name_and_rest


def block(columns: Sequence[tuple[str, str]]) -> bytes:
    """Return the packet with the names and types of columns, without a row."""
    named = b"".join(string(name) + string(kind) for name, kind in columns)
    return varint(1) + string("") + _BLOCK_INFO + varint(len(columns)) + varint(0) + named


END = varint(5)
PONG = varint(4)
_BLOCK_INFO = varint(1) + b"\0" + varint(2) + struct.pack("<i", -1) + varint(0)


class FakeClickHouse:
    """Speaks just enough of the native protocol to take UInt64 rows of one column.

    Attributes:
        answers: What it sends after the rows of each insert, in turn; then plain success.
        leaves: Whether it closes a connection after each insert.
        rows: What was inserted, answered well or not.
        settings: The settings of the latest query.
        connections: How many were made.
        most_at_once: How many inserts were waiting for an answer at the same time.
    """

    def __init__(self, *answers: bytes, leaves: bool = False) -> None:
        self.answers = [*answers]
        self.leaves = leaves
        self.rows: list[int] = []
        self.settings: dict[str, str] = {}
        self.connections = 0
        self.waiting = 0
        self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.changed = asyncio.Condition()

    async def reached(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on this server holds."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to one client until it leaves."""
        self.connections += 1
        client = _Client(reader)
        while True:
            match await client.varint():
                case 0:
                    await client.pass_hello()
                    writer.write(_hello())
                case 1:
                    self.settings = await client.query_settings()
                    await client.block()  # the end of external tables
                    writer.write(block([("n", "UInt64")]))
                    self.rows += await client.block()
                    await client.block()  # the end of the rows
                    await self._answer(writer)
                    if self.leaves:
                        return
                case 4:
                    writer.write(PONG)
                case other:
                    msg = f"unexpected packet {other}"
                    raise AssertionError(msg)
            await writer.drain()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        await self._count(1)
        await self.gate.wait()
        await self._count(-1)
        writer.write(self.answers.pop(0) if self.answers else END)

    async def _count(self, change: int) -> None:
        async with self.changed:
            self.waiting += change
            self.most_at_once = max(self.most_at_once, self.waiting)
            self.changed.notify_all()

    def listen(self) -> AbstractAsyncContextManager[int]:
        """Listen on a free port of this machine; yield the port."""
        return listening(self.serve)


class SilentServer:
    """Accepts every connection, and never says a word."""

    def __init__(self) -> None:
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        """Read whatever comes."""
        self.connections += 1
        while await reader.read(65_536):
            pass

    def listen(self) -> AbstractAsyncContextManager[int]:
        """Listen on a free port of this machine; yield the port."""
        return listening(self.serve)


class DoorKeeper:
    """Says hello, and then never another word."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read whatever comes."""
        await _Client(reader).varint()
        writer.write(_hello())
        while await reader.read(65_536):
            pass

    def listen(self) -> AbstractAsyncContextManager[int]:
        """Listen on a free port of this machine; yield the port."""
        return listening(self.serve)


class DeafServer:
    """Asks for the rows of an insert, and then reads none of them."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer up to the first query."""
        client = _Client(reader)
        await client.varint()
        await client.pass_hello()
        writer.write(_hello())
        await client.varint()
        await client.query_settings()
        await client.block()
        writer.write(block([("n", "UInt64")]))
        await asyncio.Event().wait()

    def listen(self) -> AbstractAsyncContextManager[int]:
        """Listen on a free port of this machine; yield the port."""
        return listening(self.serve)


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object],
) -> AsyncIterator[int]:
    """Serve each client until it leaves; end what is left on the way out."""
    talks: set[asyncio.Task[None]] = set()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        talks.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await serve(reader, writer)  # type: ignore[misc]
        finally:
            talks.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in [*talks]:
            task.cancel()
        if talks:
            await asyncio.wait([*talks], timeout=5)


def _hello() -> bytes:
    version = varint(26) + varint(9) + varint(REVISION)
    return varint(0) + string("ClickHouse") + version + string("UTC") + string("fake") + varint(1)


class _Client:
    """Reads what a client sends."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def byte(self) -> int:
        return (await self._reader.readexactly(1))[0]

    async def varint(self) -> int:
        number = shift = 0
        while True:
            byte = await self.byte()
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte <= 0x7F:
                return number

    async def string(self) -> str:
        return (await self._reader.readexactly(await self.varint())).decode()

    async def pass_hello(self) -> None:
        await self.string()
        for _ in range(3):
            await self.varint()
        for _ in range(3):
            await self.string()

    async def query_settings(self) -> dict[str, str]:
        """Read a query after its kind; return its settings."""
        await self.string()
        await self._pass_client_info()
        settings = {}
        while name := await self.string():
            await self.byte()
            settings[name] = await self.string()
        await self.varint()  # stage
        await self.varint()  # compression
        await self.string()  # the statement
        return settings

    async def _pass_client_info(self) -> None:
        await self.byte()
        for _ in range(3):
            await self.string()
        await self.byte()
        for _ in range(3):
            await self.string()
        for _ in range(3):
            await self.varint()
        await self.string()
        await self.varint()

    async def block(self) -> Sequence[int]:
        """Read a data packet; return its only column."""
        assert await self.varint() == DATA
        await self.string()
        await self._reader.readexactly(len(_BLOCK_INFO))
        columns, rows = await self.varint(), await self.varint()
        if not columns:
            return []
        await self.string()
        await self.string()
        return struct.unpack(f"<{rows}Q", await self._reader.readexactly(8 * rows))
