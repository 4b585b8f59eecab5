"""One client that is logged in: its queries, one after the other."""

from collections.abc import Awaitable
from contextlib import suppress

from chdb_server import packets
from chdb_server.blocks import header
from chdb_server.engine import Engine, EngineConnection
from chdb_server.errors import (
    NOT_IMPLEMENTED,
    CancelledByClientError,
    ClientGoneError,
    DatabaseError,
    ProtocolError,
)
from chdb_server.incoming import Incoming
from chdb_server.inserts import Insert
from chdb_server.limits import Limits
from chdb_server.link import Link
from chdb_server.packets import ClientPacket, Query
from chdb_server.query_settings import QuerySettings
from chdb_server.receiving import expected_columns
from chdb_server.results import send_result
from chdb_server.spool import Spools
from chdb_server.statements import Command, read_statement
from chdb_server.watch import Watch


class Session:
    """Answers the packets of one client.

    Attributes:
        busy: Whether a packet is being answered.
        leaving: Set to end after the packet being answered.
    """

    def __init__(
        self, link: Link, connection: EngineConnection, *, engine: Engine, spools: Spools
    ) -> None:
        """Serve that client from that connection."""
        self._link = link
        self._connection = connection
        self._numeric_settings = engine.numeric_settings
        self._spools = spools
        self._settings = QuerySettings(connection, engine.reserved_settings)
        self.busy = False
        self.leaving = False

    async def serve(self, revision: int, limits: Limits) -> None:
        """Answer until the client leaves or is asked to.

        Raises:
            ClientGoneError: It left.
            ProtocolError: It is not understood any more.
        """
        while not self.leaving:
            self._link.patience_s = limits.idle_s
            kind = await self._link.wire.varint()
            self.busy = True
            self._link.patience_s = limits.receive_s
            if kind == ClientPacket.QUERY:
                query = await packets.read_query(
                    self._link.wire,
                    revision,
                    self._numeric_settings,
                    longest_sql=limits.max_sql_bytes,
                )
                await self._answer(query)
            elif kind == ClientPacket.PING:
                await self._link.send(packets.PONG)
            elif kind != ClientPacket.CANCEL:  # that one came after its query's end
                msg = f"packet {kind} where a query was expected"
                raise ProtocolError(msg)
            self.busy = False

    async def kill(self) -> None:
        """Tell the query that runs to stop."""
        await self._connection.kill()

    async def _answer(self, query: Query) -> None:
        incoming = Incoming(self._link.wire, packed=query.packed)
        try:
            await self._run(query, incoming)
        except CancelledByClientError:
            await self._link.send(packets.END_OF_STREAM)
        except DatabaseError as error:
            await self._link.send(packets.exception(error.code, str(error)))
        else:
            await self._link.send(packets.END_OF_STREAM)

    async def _run(self, query: Query, incoming: Incoming) -> None:
        if await incoming.rows():
            msg = "external tables are not supported; create a temporary table"
            raise DatabaseError(msg, code=NOT_IMPLEMENTED)
        statement = read_statement(query.sql)
        if isinstance(statement, Insert):
            await self._settings.apply(query.settings)
            await self._insert(statement, incoming)
        elif isinstance(statement, Command) and statement.changes_settings:
            await self._settings.session_changes()
            await self._connection.query(statement.sql)
            with suppress(DatabaseError):  # after SET readonly = 1 it is refused, and needless
                await self._connection.mark()
        else:
            await self._settings.apply(query.settings)

            async def send(*blocks: bytes) -> None:
                await self._link.send_blocks(blocks, incoming.frames)

            await self._watched(send_result(self._connection, statement, send))

    async def _insert(self, insert: Insert, incoming: Incoming) -> None:
        columns = await expected_columns(self._connection, insert)
        with self._spools.open() as spool:
            await self._link.send_blocks([header(columns)], incoming.frames)
            rows = await incoming.rows(spool.write)
            spool.check()
            if rows:
                await self._watched(self._connection.query(insert.from_file(spool.path)))

    async def _watched(self, work: Awaitable[object]) -> None:
        """Do the engine's work; when the client took it back, its end is no error."""
        async with Watch.over(self._link, self._connection) as watch:
            try:
                await work
            except DatabaseError:
                if not watch.cancelled and not watch.lost:
                    raise
        if watch.lost:
            raise ClientGoneError
