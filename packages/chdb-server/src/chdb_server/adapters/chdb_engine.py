"""chDB as the engine: ClickHouse inside this process."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import chdb

from chdb_server.adapters.engine_talk import held_back
from chdb_server.engine import Engine, EngineConnection
from chdb_server.errors import DatabaseError, UnusableError
from chdb_server.tokens import quoted_text

log = logging.getLogger(__name__)

T = TypeVar("T")

MARK_CACHE_SHARE = 16
"""The mark cache may take this part of the memory; ClickHouse's default is 5 GiB."""

MARK_SETTING = "log_comment"
"""Shown in system.processes, so KILL QUERY finds a connection's query by it."""

NUMERIC_SETTINGS = """
    SELECT toJSONString(mapFromArrays(groupArray(name), groupArray(type IN (
        'Bool', 'BoolAuto', 'UInt64', 'UInt64Auto', 'NonZeroUInt64', 'Int32', 'Int64',
        'MaxThreads', 'Seconds', 'Milliseconds'
    ) ? true : false))) FROM system.settings
"""
"""A name alone does not say how a client older than settings-as-strings wrote its value."""

BROKEN_PARTS = "SELECT count() FROM system.detached_parts WHERE startsWith(reason, 'broken')"

ENGINE_ERROR = re.compile(r"Code: (\d+)\. (DB::\w*Exception: .*)", re.DOTALL)


class ChdbEngine:
    """A store directory, opened for this process alone.

    Every connection has a thread of its own: chDB's calls block, and one slow query must
    not make others wait. Kills go through a separate connection for the same reason.
    """

    def __init__(self, address: str) -> None:
        """Use `open`; this only wires."""
        self._address = address
        self._marks = count(1)
        self._control = chdb.connect(address)
        self._killer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kill")
        self.version = self._ask("SELECT version()")
        self.timezone = self._ask("SELECT timezone()")
        self.reserved_settings = frozenset({MARK_SETTING})
        self.numeric_settings: dict[str, bool] = json.loads(self._ask(NUMERIC_SETTINGS))

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path, *, max_memory_bytes: int) -> AsyncIterator["ChdbEngine"]:
        """Open the store, and close it on the way out.

        Raises:
            UnusableError: chDB cannot open it; its reason is in the text.
        """
        cache = max_memory_bytes // MARK_CACHE_SHARE
        limits = f"max_server_memory_usage={max_memory_bytes}&mark_cache_size={cache}"
        with held_back() as talk:
            try:
                engine = cls(f"{directory}?{limits}")
            except RuntimeError as error:
                reason = talk() or _first_line(error)
                msg = f"cannot open the store in {directory}; repair or replace it: {reason}"
                raise UnusableError(msg) from error
        try:
            yield engine
        finally:
            engine._close()

    async def connect(self) -> "ChdbConnection":
        """Start a session; takes well under a millisecond."""
        connection = ChdbConnection(self, f"chdb-server-{next(self._marks)}")
        try:
            await connection.begin(self._address)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def kill(self, mark: str) -> None:
        """Tell the query of that mark to stop."""
        sql = f"KILL QUERY WHERE Settings['{MARK_SETTING}'] = {quoted_text(mark)} ASYNC"
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._killer, self._control.query, sql)
        except RuntimeError:  # no memory for it, as a rule; whoever kills tries again
            log.warning("a query could not be told to stop")

    def broken_parts(self) -> int:
        """How many parts ClickHouse set aside because it could not read them."""
        return int(self._ask(BROKEN_PARTS))

    def _ask(self, sql: str) -> str:
        answer: bytes = self._control.query(sql, "TSVRaw").bytes()
        return answer.decode().strip()

    def _close(self) -> None:
        self._killer.shutdown()
        self._control.close()


class ChdbConnection:
    """One chDB connection and the thread that it runs on."""

    def __init__(self, engine: ChdbEngine, mark: str) -> None:
        """Use `ChdbEngine.connect`; this only wires."""
        self._engine = engine
        self._mark = mark
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=mark)
        self._connection: Any = None

    async def begin(self, address: str) -> None:
        """Open the connection, on its own thread."""
        self._connection = await self._run(chdb.connect, address)
        # On by default since 26.2, and an INSERT with its rows in the text would be
        # acknowledged before they are stored.
        await self.query("SET async_insert = 0")
        await self.mark()

    async def query(self, sql: str, output: str = "Native") -> bytes:
        """Run any statement; return its result, if it has one, in that format."""
        return await self._run(self._query, _encoded(sql), output)

    async def stream(self, sql: str) -> AsyncGenerator[bytes]:
        """Run a SELECT; close the generator to end it early."""
        result, block = await self._run(self._begin_stream, _encoded(sql))
        try:
            while block:
                yield block
                block = await self._run(_next_block, result)
        finally:
            if block:  # not at its end
                await self._run(result.cancel)

    async def mark(self) -> None:
        """Make `kill` find this connection again."""
        await self.query(f"SET {MARK_SETTING} = {quoted_text(self._mark)}")

    async def kill(self) -> None:
        """Tell what runs on this connection to stop."""
        await self._engine.kill(self._mark)

    async def close(self) -> None:
        """End the session and its thread."""
        if self._connection is not None:
            await self._run(self._connection.close)
        self._worker.shutdown(wait=False)

    async def _run(self, call: Callable[..., T], *args: object) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._worker, call, *args)
        except RuntimeError as error:  # chdb.ChdbError is one, and not its only one
            raise _database_error(error) from error

    def _query(self, sql: bytes, output: str) -> bytes:
        result: bytes = self._connection.query(sql, output).bytes()
        return result

    def _begin_stream(self, sql: bytes) -> tuple[Any, bytes]:
        """Begin and fetch in one go: going to the thread and back costs more than a small query."""
        result = self._connection.send_query(sql, "Native")
        return result, _next_block(result)


def _next_block(result: Any) -> bytes:
    chunk = result.fetch()
    return chunk.bytes() if chunk else b""


def _encoded(sql: str) -> bytes:
    """As it came: ClickHouse's strings need not be UTF-8, and chDB takes bytes."""
    return sql.encode("utf-8", "surrogateescape")


def _database_error(error: RuntimeError) -> DatabaseError:
    found = ENGINE_ERROR.search(str(error))
    if found is None:
        return DatabaseError(str(error))
    return DatabaseError(found[2], code=int(found[1]))


def _first_line(error: RuntimeError) -> str:
    return str(error).partition("\n")[0]


if TYPE_CHECKING:  # mypy proves here that the adapter fits both ports
    _engine: type[Engine] = ChdbEngine
    _connection: type[EngineConnection] = ChdbConnection
