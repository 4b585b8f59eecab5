"""Listens to the client while its query runs: a Cancel or a lost client ends the query."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from chdb_server.engine import EngineConnection
from chdb_server.errors import ClientGoneError
from chdb_server.link import Link
from chdb_server.packets import ClientPacket

KILL_AGAIN_S = 0.1
"""A kill finds nothing while the query is only on its way in, so it is repeated."""


class Watch:
    """Wraps the running of one query.

    Attributes:
        cancelled: The client asked to end the query.
        lost: The client is gone.
    """

    def __init__(self, link: Link, connection: EngineConnection) -> None:
        """Use `over`; this only wires."""
        self._link = link
        self._connection = connection
        self._finished = asyncio.Event()
        self.cancelled = False
        self.lost = False

    @classmethod
    @asynccontextmanager
    async def over(cls, link: Link, connection: EngineConnection) -> AsyncIterator[Self]:
        """Listen until the block ends; a query may take any time, so no read is too long."""
        watch = cls(link, connection)
        patience_s, link.patience_s = link.patience_s, None
        task = asyncio.create_task(watch._listen())
        try:
            yield watch
        finally:
            link.patience_s = patience_s
            await watch._stop(task)

    async def _stop(self, task: asyncio.Task[None]) -> None:
        """Stop listening; a kill under way is waited for, lest it hit the next query."""
        self._finished.set()
        if not self.cancelled and not self.lost:
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def _listen(self) -> None:
        try:
            if not await self._hears_cancel():
                return
            self.cancelled = True
        except ClientGoneError:
            self.lost = True
        while not self._finished.is_set():
            await self._connection.kill()
            await self._wait_a_moment()

    async def _hears_cancel(self) -> bool:
        """Wait for the client; anything but a Cancel is its next request, to be read later."""
        wire = self._link.wire
        if wire.empty:
            await wire.fill()
        if wire.peek() != ClientPacket.CANCEL:
            return False
        await wire.varint()
        return True

    async def _wait_a_moment(self) -> None:
        try:
            async with asyncio.timeout(KILL_AGAIN_S):
                await self._finished.wait()
        except TimeoutError:
            return
