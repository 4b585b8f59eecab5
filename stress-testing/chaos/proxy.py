"""A TCP proxy before the warehouse: it sees every insert, and goes wrong where it is told to."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from chaos.traps import EXCEPTION, PROGRESS, Insert, Moment, Trap

_INSERT = re.compile(rb"INSERT INTO [`\w]+\.`?(views_raw|ingested)`?")
_TOKEN = re.compile(rb"views[-\w]*:(\d+):\d+-\d+:[0-9a-f]{32}:[0-9lr]+")
_LAST_BLOCK = bytes((2, 0, 1, 0, 2)) + b"\xff\xff\xff\xff" + bytes(3)
"""An empty block: what ends the rows of an insert."""
_END_OF_STREAM = 5
_CHUNK = 65_536
_KEEP = 8_192


@dataclass(kw_only=True)
class Proxy:
    """Stands between a client and the warehouse.

    Attributes:
        port: The warehouse's port; set before the first connection.
        inserts: Every insert that was seen, in order.
        traps: What befalls the next ones.
        sprung: The inserts that were trapped.
    """

    port: int = 0
    inserts: list[Insert] = field(default_factory=list)
    traps: deque[Trap] = field(default_factory=deque)
    sprung: list[Insert] = field(default_factory=list)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """Listen on a free port; yield the port."""
        talks: set[asyncio.Task[None]] = set()

        async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                talks.add(task)
                task.add_done_callback(talks.discard)
            with suppress(OSError, asyncio.CancelledError):
                await _Talk(self, reader, writer).run()

        server = await asyncio.start_server(meet, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in [*talks]:
                task.cancel()
            if talks:
                await asyncio.wait([*talks], timeout=5)

    def saw(self, table: str, token: str) -> Insert:
        """Note an insert, and take the trap that waits for it."""
        insert = Insert(table=table, token=token)
        self.inserts.append(insert)
        if self.traps and self.traps[0].table == table:
            insert.trap = self.traps.popleft()
        return insert

    def after(self, insert: Insert) -> Insert | None:
        """Return the next insert of the same partition, if it has come."""
        later = self.inserts[self.inserts.index(insert) + 1 :]
        return next((found for found in later if found.partition == insert.partition), None)


class _Talk:
    """One connection, and the one to the server behind it."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._client = reader, writer
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
        self._insert: Insert | None = None
        self._seen = b""
        self._asked = False
        """Whether the server has asked for the rows."""
        self._sent = False
        """Whether the last row is on its way."""

    async def run(self) -> None:
        """Pass everything on until one side leaves, or a trap closes."""
        try:
            self._server = await asyncio.open_connection("127.0.0.1", self._proxy.port)
        except OSError:
            self._client[1].transport.abort()
            return
        pumps = [asyncio.create_task(self._up()), asyncio.create_task(self._down())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for _, writer in (self._client, self._server):
                with suppress(OSError):
                    writer.close()

    async def _up(self) -> None:
        """From the client to the server."""
        reader, writer = self._client[0], self._server[1]
        while chunk := await reader.read(_CHUNK):
            moment = self._moment()
            if self._asked and moment is Moment.REFUSE:
                await self._refuse(chunk)
                return
            if self._asked and moment is Moment.MIDWAY:
                writer.write(chunk[: len(chunk) // 2])
                await writer.drain()
                self._spring()
                return
            self._look(chunk)
            writer.write(chunk)
            await writer.drain()

    async def _down(self) -> None:
        """From the server to the client."""
        reader, writer = self._server[0], self._client[1]
        while chunk := await reader.read(_CHUNK):
            insert = self._insert
            ended = insert is not None and self._sent and chunk[-1] == _END_OF_STREAM
            if ended and self._moment() is Moment.ANSWER:
                self._spring()
                return
            writer.write(chunk)
            await writer.drain()
            if insert is not None and ended:
                insert.answered = True
                self._insert = None
            elif insert is not None:
                self._asked = True

    def _look(self, chunk: bytes) -> None:
        """Notice the beginning and the end of an insert."""
        if self._insert is not None:
            # The first one ends the external tables, before the server has asked for rows.
            self._sent = self._asked and chunk.endswith(_LAST_BLOCK)
            return
        self._seen = (self._seen + chunk)[-_KEEP:]
        found = _INSERT.search(self._seen)
        if found:
            tokens = [match[0].decode() for match in _TOKEN.finditer(self._seen)]
            token = tokens[-1] if tokens else ""
            self._insert = self._proxy.saw(found[1].decode(), token)
            self._asked = self._sent = False
            self._seen = b""

    def _moment(self) -> Moment | None:
        if self._insert is None or self._insert.trap is None:
            return None
        return self._insert.trap.moment

    def _spring(self) -> None:
        if self._insert is not None and self._insert.trap is not None:
            self._proxy.sprung.append(self._insert)
            self._insert.trap.act()

    async def _refuse(self, chunk: bytes) -> None:
        """Keep the rows from the server; answer as one that fails after it has begun."""
        reader, writer = self._client
        while not chunk.endswith(_LAST_BLOCK):
            chunk = chunk[-len(_LAST_BLOCK) :] + await reader.read(_CHUNK)
        self._server[1].transport.abort()
        self._spring()
        writer.write(PROGRESS + EXCEPTION)
        await writer.drain()
        while await reader.read(_CHUNK):
            pass
