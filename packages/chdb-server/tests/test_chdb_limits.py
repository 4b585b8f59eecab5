"""Clients that hold on to things: cut off, and what they held is given back."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from chdb_server.blocks import Column, header
from chdb_server.errors import DatabaseError
from chdb_server.limits import Limits
from chdb_server.login import Login
from chdb_server.packets import ServerPacket
from chdb_server.server import Server
from chdb_server.spool import Spools
from chdb_server.wire import string, varint

SHORT_S = 0.05


@dataclass
class FakeConnection:
    """A session without an engine; answers what the test says."""

    engine: "FakeEngine"
    settings: list[str] = field(default_factory=list)

    async def query(self, sql: str, output: str = "Native") -> bytes:
        if sql.startswith("DESCRIBE"):
            return b'["a", "UInt8", "", "", "", "", ""]\n'
        if "broken" in sql:
            raise ValueError(sql)
        return b""

    async def stream(self, sql: str):
        block = varint(1) + varint(1) + string("a") + string("String") + string("x" * 1_000_000)
        self.engine.streaming = True
        try:
            while True:
                yield block
        finally:
            self.engine.streaming = False

    async def mark(self) -> None:
        pass

    async def kill(self) -> None:
        self.engine.kills += 1

    async def close(self) -> None:
        self.engine.open -= 1


@dataclass
class FakeEngine:
    version: str = "26.9.2.1"
    timezone: str = "UTC"
    reserved_settings: frozenset[str] = frozenset()
    numeric_settings: dict[str, bool] = field(default_factory=dict)
    open: int = 0
    kills: int = 0
    streaming: bool = False

    async def connect(self) -> FakeConnection:
        self.open += 1
        return FakeConnection(self)


@pytest.fixture
def serve(tmp_path, raw_client):
    """A server in this process, with the limits that the test is about."""

    @asynccontextmanager
    async def serve_it(engine=None, **limits):
        engine = engine or FakeEngine()
        server = Server(
            engine,
            login=Login(),
            limits=Limits(**limits),
            spools=Spools(tmp_path / "spools", limit=1 << 20),
        )
        port = await server.start("127.0.0.1", 0)
        try:
            yield engine, lambda: raw_client.connect(port)
        finally:
            assert await server.drain(SHORT_S)
            assert engine.open == 0

    return serve_it


async def test_a_silent_stranger_is_cut_off(serve):
    async with serve(handshake_s=SHORT_S) as (engine, connect), connect() as client:
        with pytest.raises(EOFError):
            await client.packet()
        assert engine.open == 0


async def test_a_slow_stranger_is_cut_off(serve):
    """A byte now and then is no reason to wait longer."""
    async with serve(handshake_s=SHORT_S) as (_, connect), connect() as client:
        client.send(varint(0), varint(60_000))
        answer = asyncio.create_task(client.packet())
        while not answer.done():
            client.send(b"x")
            await asyncio.sleep(SHORT_S / 10)

        with pytest.raises((EOFError, ConnectionError)):
            await answer


async def test_a_stranger_s_long_name_is_not_read(serve):
    async with serve() as (_, connect), connect() as client:
        client.send(varint(0), varint(1 << 30))

        assert (await client.packet()).kind is ServerPacket.EXCEPTION


async def test_an_idle_client_is_cut_off(serve):
    async with serve(idle_s=SHORT_S) as (_, connect), connect() as client:
        await client.log_in()

        with pytest.raises(EOFError):
            await client.packet()


async def test_a_client_that_stops_in_mid_query_is_cut_off(serve):
    async with serve(receive_s=SHORT_S) as (_, connect), connect() as client:
        await client.log_in()
        client.query("SELECT 1")

        with pytest.raises(EOFError):
            await client.packet()


async def test_a_client_that_stops_in_mid_insert_is_cut_off(serve):
    async with serve(receive_s=SHORT_S) as (_, connect), connect() as client:
        await client.log_in()
        client.query("INSERT INTO t VALUES")
        client.end()
        assert (await client.packet()).shape.columns == (Column("a", "UInt8"),)
        client.block(header([Column("a", "UInt8")]))

        with pytest.raises(EOFError):
            await client.packet()


async def test_a_client_that_reads_no_result_is_cut_off(serve, until):
    async with serve(send_s=SHORT_S) as (engine, connect), connect() as client:
        await client.log_in()
        client.query("SELECT 1")
        client.end()

        async def is_streaming():
            return engine.streaming

        async def is_over():
            return not engine.streaming and engine.open == 0

        await until(is_streaming)
        await until(is_over)


async def test_a_client_too_many_is_told_so(serve):
    async with serve(max_connections=1) as (engine, connect), connect() as first:
        await first.log_in()
        async with connect() as second:
            second.hello()

            assert (await second.packet()).code == 202
        assert engine.open == 1
        first.ping()
        assert (await first.packet()).kind is ServerPacket.PONG


async def test_strangers_have_a_bound_too(serve):
    async with serve(max_connections=1) as (_, connect), connect(), connect() as second:
        with pytest.raises((EOFError, ConnectionError)):
            await second.packet()


async def test_a_query_s_text_has_a_bound(serve):
    async with serve(max_sql_bytes=10) as (_, connect), connect() as client:
        await client.log_in()
        client.query("SELECT 'longer than that'")

        assert "at most 10" in (await client.packet()).text


async def test_a_session_that_does_not_end_is_reported_when_the_server_stops(
    tmp_path, raw_client, until
):
    released = asyncio.Event()

    class Stuck(FakeConnection):
        async def query(self, sql: str, output: str = "Native") -> bytes:
            self.engine.streaming = True
            await released.wait()
            return b""

        async def close(self) -> None:
            await released.wait()

    class StuckEngine(FakeEngine):
        async def connect(self):
            return Stuck(self)

    limits = Limits(kill_s=SHORT_S)
    spools = Spools(tmp_path, limit=1)
    engine = StuckEngine()
    server = Server(engine, login=Login(), limits=limits, spools=spools)
    async with raw_client.connect(await server.start("127.0.0.1", 0)) as client:
        client.hello()

        async def waits():
            return engine.streaming

        await until(waits)
        assert not await server.drain(SHORT_S)
        released.set()
        assert await server.drain(SHORT_S)


async def test_an_error_of_ours_is_told_without_what_was_asked(serve, caplog):
    async with serve() as (_, connect), connect() as client:
        await client.log_in()
        client.query("SHOW broken secret")
        client.end()

        error = await client.packet()
        assert (error.code, "ValueError" in error.text) == (1002, True)
        with pytest.raises(EOFError):
            await client.packet()
    assert "secret" not in error.text + caplog.text
    assert "ValueError in query" in caplog.text


async def test_a_session_that_cannot_begin_is_told_why(serve):
    class Unwilling(FakeEngine):
        async def connect(self):
            msg = "no more threads"
            raise DatabaseError(msg, code=439)

    async with serve(Unwilling()) as (_, connect), connect() as client:
        client.hello()

        assert (await client.packet()).code == 439
