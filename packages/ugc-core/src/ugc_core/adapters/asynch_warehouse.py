"""The warehouse over asynch, ClickHouse's native protocol; no other file knows asynch.

asynch reads one packet after an INSERT. A server that sends Progress first and then an
Exception would get its failed insert reported as done, so the rest is read here until the
server has said the last word.
"""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Self, cast

from asynch.errors import (
    CannotParseUuidError,
    ClickHouseException,
    ColumnException,
    ServerException,
    TypeMismatchError,
)
from asynch.proto.connection import Connection

from ugc_core.adapters.asynch_blocks import Blocks, whole_block
from ugc_core.binding import bind, identifier
from ugc_core.clickhouse_errors import refused_insert, refused_query
from ugc_core.errors import (
    QueryRefusedError,
    RowsRefusedError,
    UgcError,
    WarehouseUnreachableError,
)
from ugc_core.settings import WarehouseSection
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Answer, Column, Settings, ShardedWarehouse

# A token hides a repeat only from synchronous inserts, and only if the views see it too.
INSERT_SETTINGS: Settings = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
}

_UNFIT = (ColumnException, TypeMismatchError, CannotParseUuidError, UnicodeEncodeError)
# asynch unpacks what is there of an answer that breaks off.
_BROKEN = (ClickHouseException, OSError, EOFError, struct.error, UnicodeDecodeError)


class _Connection(Connection):
    """Mends what asynch forgets when it connects anew, and where it waits without end.

    Columns go as one block, by a quicker writer.
    """

    async def connect(self) -> None:
        """Connect, for the query that waits for it.

        asynch connects within `execute`, too, and forgets that a query is under way: the wait
        for the last word of an insert would end before it began.
        """
        with _cancellation_kept():
            await super().connect()
        self.is_query_executing = True

    async def ping(self) -> Any:
        """Ask whether the server is still there; asynch does so before a query."""
        with _cancellation_kept():
            return await super().ping()

    async def disconnect(self) -> None:
        """Drop the socket: a server that reads no more would be waited for, past any deadline."""
        writer: Any = self.writer  # type: ignore[attr-defined]  # set when it connects
        if writer is not None:
            writer.writer.transport.abort()
        await super().disconnect()

    def get_block_writer(self) -> Blocks:
        """Return our writer of blocks; nothing is compressed."""
        mine = cast("Any", self)
        return Blocks(mine.reader, mine.writer, mine.context)

    async def send_data(
        self,
        sample_block: Any,
        data: Any,
        types_check: bool = False,  # noqa: FBT001, FBT002 - asynch's own signature
        columnar: bool = False,  # noqa: FBT001, FBT002 - asynch's own
    ) -> int:
        """Send columns, and then the empty block that ends them; return the number of rows."""
        del types_check, columnar
        block, mine = whole_block(sample_block.columns_with_types, data), cast("Any", self)
        await mine.send_block(block)
        await mine.send_block(whole_block((), ()))
        return int(block.num_rows)


class AsynchWarehouse:
    """A few connections to one node; each does one thing at a time.

    A connection that failed in any way is closed: after a cancelled query or a lost answer
    nobody knows what the next packet on it belongs to.
    """

    def __init__(
        self,
        target: WarehouseTarget,
        settings: WarehouseSection,
        database: str,
        insert_settings: Settings,
    ) -> None:
        """Use `open`; this only wires."""
        self._settings = settings
        self._insert_settings = insert_settings
        self._database = target.database
        self._where = f"{target.host}:{target.port}"
        self._free: list[Any] = []
        self._slots = asyncio.Semaphore(settings.max_connections)
        self._connect: Callable[[], Any] = lambda: _Connection(  # type: ignore[no-untyped-call]  # theirs has no types
            host=target.host,
            port=target.port,
            user=settings.user,
            password=settings.password,
            database=database,
            client_name="ugc",
            compression=False,
            connect_timeout=settings.connect_timeout_s,
            sync_request_timeout=settings.connect_timeout_s,
            send_receive_timeout=None,  # ours is around it; asynch's may lose a cancellation
        )

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        target: WarehouseTarget,
        settings: WarehouseSection,
        *,
        database: str | None = None,
        insert_settings: Settings = INSERT_SETTINGS,
    ) -> AsyncIterator[Self]:
        """Connect on first use, and close every connection on the way out.

        Args:
            target: Where the server is.
            settings: User, password and deadlines.
            database: Another current database than the target's.
            insert_settings: Sent with every insert; for servers that do not know ours.
        """
        # It warns of every failed try by itself; our errors say it once, and what to do.
        logging.getLogger("asynch").setLevel(logging.CRITICAL)
        warehouse = cls(target, settings, database or target.database, insert_settings)
        try:
            yield warehouse
        finally:
            for connection in warehouse._free:
                await _close(connection)

    async def read(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Settings | None = None,
    ) -> Answer:
        """Run one reading statement."""
        bound = bind(sql, parameters)
        async with self._connection(self._settings.read_timeout_s, refused_query) as connection:
            try:
                found = await connection.execute(bound, settings=settings, with_column_types=True)
            except UnicodeDecodeError as error:
                msg = "a column holds bytes that are no text; select hex(column) instead"
                raise QueryRefusedError(msg) from error
        rows, columns = found if isinstance(found, tuple) else ([], [])
        return Answer(
            names=tuple(name for name, _ in columns),
            types=tuple(kind for _, kind in columns),
            rows=rows,
        )

    async def execute(self, sql: str, *, settings: Settings | None = None) -> None:
        """Run one statement that returns nothing."""
        async with self._connection(self._settings.insert_timeout_s, refused_query) as connection:
            await connection.execute(sql, settings=settings)

    async def insert(
        self, table: str, columns: Mapping[str, Column], *, settings: Settings
    ) -> None:
        """Insert columns and wait for the server's last word."""
        names = ", ".join(map(identifier, columns))
        sql = f"INSERT INTO {identifier(self._database)}.{identifier(table)} ({names}) VALUES"
        both = {**settings, **self._insert_settings}
        async with self._connection(self._settings.insert_timeout_s, refused_insert) as connection:
            await connection.execute(sql, list(columns.values()), settings=both, columnar=True)
            while connection.is_query_executing:
                await connection.receive_packet()

    async def shards(self) -> int:
        """Return 1."""
        return 1

    async def insert_for(
        self, partition: int, table: str, columns: Mapping[str, Column], *, settings: Settings
    ) -> None:
        """Insert here, whatever the partition."""
        del partition
        await self.insert(table, columns, settings=settings)

    async def execute_on_shards(self, sql: str, *, settings: Settings | None = None) -> None:
        """Run it here."""
        await self.execute(sql, settings=settings)

    async def read_each(self, sql: str) -> Mapping[str, Answer | UgcError]:
        """Ask the one node."""
        try:
            return {self._where: await self.read(sql)}
        except UgcError as error:
            return {self._where: error}

    async def define(self, sql: str) -> None:
        """Run it here."""
        await self.execute(sql)

    @asynccontextmanager
    async def _connection(
        self, timeout_s: float, refused: Callable[[int, str], UgcError]
    ) -> AsyncIterator[Any]:
        """Lend a connection for at most `timeout_s`, and translate what goes wrong."""
        try:
            async with asyncio.timeout(timeout_s), self._slots:
                connection = self._free.pop() if self._free else self._connect()
                try:
                    yield connection
                except BaseException:
                    await _close(connection)
                    raise
                self._free.append(connection)
        except TimeoutError as error:
            msg = f"ClickHouse at {self._where} did not answer within {timeout_s:g} s"
            raise WarehouseUnreachableError(msg) from error
        except ServerException as error:
            raise refused(error.code or 0, _first_line(error)) from error
        except _UNFIT as error:
            msg = f"a value does not fit its column: {error}"
            raise RowsRefusedError(msg) from error
        except _BROKEN as error:
            msg = f"ClickHouse at {self._where} is not reachable: {_first_line(error)}"
            raise WarehouseUnreachableError(msg) from error


@contextmanager
def _cancellation_kept() -> Iterator[None]:
    """Have a cancellation of the block come out of it, whatever else comes out.

    asynch connects and pings with asyncio.wait_for, which before Python 3.12 forgets a
    cancellation that meets its result (python/cpython#86296): a deadline or a stop would pass
    unnoticed.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


async def _close(connection: Any) -> None:
    """Let go of a connection that may be in any state; at most a second is spent on it."""
    try:
        async with asyncio.timeout(1):
            await connection.disconnect()
    except (ClickHouseException, OSError, EOFError):
        return


def _first_line(error: Exception) -> str:
    text = error.message if isinstance(error, ServerException) else str(error)
    return (text or type(error).__name__).strip().split("\n")[0][:500]


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _warehouse: type[ShardedWarehouse] = AsynchWarehouse
