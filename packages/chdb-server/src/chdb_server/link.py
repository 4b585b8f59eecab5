"""A client's socket: packets out, bytes in, and no waiting for ever on either."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from chdb_server.blocks import BLOCK_INFO
from chdb_server.compression import FrameSource, compress
from chdb_server.errors import ClientGoneError
from chdb_server.limits import Limits
from chdb_server.packets import data
from chdb_server.wire import Reader

READ_BYTES = 1 << 20

LINGER_S = 2.0
"""For the last bytes in either direction."""


class Link:
    """Both directions of one connection.

    Attributes:
        wire: What arrives.
        patience_s: How long the next bytes may take.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits
    ) -> None:
        """Wrap the two ends of an accepted socket."""
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self.patience_s: float | None = limits.receive_s
        self.wire = Reader(self._read)

    @property
    def address(self) -> str:
        """Where the client is."""
        return str(self._writer.get_extra_info("peername"))

    async def send(self, packet: bytes) -> None:
        """Write, and wait while the client is behind.

        Raises:
            ClientGoneError: It is gone, or took nothing for too long.
        """
        self._writer.write(packet)
        try:
            async with asyncio.timeout(self._limits.send_s):
                await self._writer.drain()
        except OSError as error:  # TimeoutError is one
            raise ClientGoneError from error

    async def send_blocks(self, blocks: Iterable[bytes], frames: FrameSource | None) -> None:
        """Write blocks of a result; packed as the client packs, if it does."""
        bodies = (BLOCK_INFO + block for block in blocks)
        if frames is not None:
            bodies = (compress(body, frames.method) for body in bodies)
        await self.send(b"".join(map(data, bodies)))

    async def linger(self) -> None:
        """After a last word, read on for a while.

        A socket that is closed with bytes unread resets the connection, and the client
        would lose the last word with it.
        """
        with suppress(OSError):
            self._writer.write_eof()
            async with asyncio.timeout(LINGER_S):
                while await self._reader.read(READ_BYTES):
                    pass

    async def close(self) -> None:
        """Let what is written leave, for a while, then close."""
        self._writer.close()
        with suppress(OSError):
            async with asyncio.timeout(LINGER_S):
                await self._writer.wait_closed()
        self._writer.transport.abort()

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self.patience_s):
                data = await self._reader.read(READ_BYTES)
        except OSError as error:  # TimeoutError is one
            raise ClientGoneError from error
        if not data:
            raise ClientGoneError
        return data
