"""What the engine promises, and what of chDB we only observed but rely on."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import asyncio
import os
import re
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import chdb
import pytest

from chdb_server import engine as port
from chdb_server.blocks import split_blocks
from chdb_server.errors import DatabaseError
from chdb_server.inserts import Insert, read_insert
from chdb_server.spool import Spools

ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


def test_promises_and_tests_match():
    promised = set(re.findall(r"ENGINE-\d+", port.EngineConnection.__doc__ or ""))
    tested = set(re.findall(r'guarantee\("(ENGINE-\d+)"\)', Path(__file__).read_text("utf-8")))

    assert tested == promised


@pytest.fixture
def connect(open_engine):
    """One engine, some connections, all closed at the end."""

    @asynccontextmanager
    async def connect_to_it(number: int = 1):
        async with open_engine() as engine:
            connections = [await engine.connect() for _ in range(number)]
            try:
                yield connections
            finally:
                for connection in connections:
                    await connection.close()

    return connect_to_it


@pytest.mark.guarantee("ENGINE-1")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT number, toString(number) FROM numbers(300000)",
        "SELECT number FROM numbers(10) SETTINGS max_block_size = 3",
        "SELECT 1 UNION ALL SELECT 2",
        "SELECT number % 3 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS",
        "SELECT arrayJoin(range(number)) FROM numbers(2000)",
        "SELECT number FROM numbers_mt(1000000) ORDER BY number DESC",
        "SELECT repeat('x', 100000) FROM numbers(300)",
        "SELECT 1 WHERE 0",
    ],
)
async def test_a_chunk_is_a_block(connect, sql):
    async with connect() as (connection,):
        async for chunk in connection.stream(sql):
            assert await split_blocks(chunk) == [chunk]


async def test_a_stream_may_be_left_and_the_connection_used(connect):
    async with connect() as (connection,):
        async with aclosing(
            connection.stream("SELECT number FROM numbers(100000000000)")
        ) as chunks:
            assert await anext(chunks)

        assert await connection.query("SELECT 1", "TSV") == b"1\n"
        running = "SELECT count() FROM system.processes"
        assert await connection.query(running, "TSV") == b"1\n"


async def test_a_stream_that_is_read_to_its_end_leaves_nothing_running(connect):
    async with connect() as (connection,):
        async for _ in connection.stream("SELECT number FROM numbers(300000)"):
            pass

        assert await connection.query("SELECT count() FROM system.processes", "TSV") == b"1\n"


@asynccontextmanager
async def rows_in_memory(rows: bytes):
    descriptor = os.memfd_create("rows")
    try:
        os.write(descriptor, rows)
        yield f"FROM INFILE '/proc/self/fd/{descriptor}' COMPRESSION 'none' FORMAT Native"
    finally:
        os.close(descriptor)


CONSTRAINED = (
    "CREATE TABLE {} (a UInt8, CONSTRAINT small CHECK a < 10) ENGINE = MergeTree ORDER BY a"
)


@pytest.mark.guarantee("ENGINE-2")
async def test_an_insert_from_a_file_raises_when_a_row_is_refused(connect):
    rows = b"\x01\x02\x01a\x05UInt8\x01\x0b"
    async with connect() as (connection,), rows_in_memory(rows) as source:
        await connection.query("DROP TABLE IF EXISTS checked")
        await connection.query(CONSTRAINED.format("checked"))

        with pytest.raises(DatabaseError) as caught:
            await connection.query(f"INSERT INTO checked {source}")

        assert caught.value.code == 469
        assert await connection.query("SELECT count() FROM checked", "TSV") == b"0\n"


@pytest.mark.parametrize("in_memory", [True, False])
async def test_rows_from_a_spool_are_stored(connect, tmp_path, in_memory):
    async with connect() as (connection,):
        await connection.query("CREATE OR REPLACE TABLE spooled (a UInt8) ENGINE = Memory")
        with Spools(tmp_path, limit=1000, in_memory=in_memory).open() as spool:
            spool.write(b"\x01\x02\x01a\x05UInt8\x01\x0b")
            spool.write(b"\x01\x01\x01a\x05UInt8\x02")
            insert = read_insert("INSERT INTO spooled (a) VALUES")
            assert isinstance(insert, Insert)
            await connection.query(insert.from_file(spool.path))

        assert await connection.query("SELECT sum(a) FROM spooled", "TSV") == b"14\n"


def test_chdb_s_own_streaming_insert_does_not_raise(engine_directory):
    """Why rows go through a file. Once this fails, `send_insert` may be looked at again."""
    connection = chdb.connect(str(engine_directory))
    try:
        connection.query("DROP TABLE IF EXISTS unchecked")
        connection.query(CONSTRAINED.format("unchecked"))
        inserter = connection.send_insert("INSERT INTO unchecked", "CSV")
        inserter.append("11\n")
        inserter.finish()

        assert connection.query("SELECT count() FROM unchecked", "TSV").bytes() == b"0\n"
    finally:
        connection.close()


@pytest.mark.guarantee("ENGINE-3")
async def test_a_kill_ends_this_connection_s_query_and_no_other(connect, until):
    async with connect(3) as (first, second, watcher):
        running = [asyncio.create_task(c.query(ENDLESS)) for c in (first, second)]

        async def number_running() -> int:
            sql = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%'"
            return int(await watcher.query(sql, "TSV")) - 1  # itself

        async def both():
            return await number_running() == 2

        await until(both)
        await first.kill()
        with pytest.raises(DatabaseError) as caught:
            await running[0]

        assert caught.value.code == 394
        assert await number_running() == 1
        await second.kill()
        with pytest.raises(DatabaseError):
            await running[1]


async def test_a_kill_ends_a_stream_between_two_blocks(connect):
    async with connect() as (connection,):
        async with aclosing(
            connection.stream("SELECT number FROM numbers(100000000000)")
        ) as chunks:
            await anext(chunks)
            await connection.kill()
            with pytest.raises(DatabaseError) as caught:
                async for _ in chunks:
                    pass

        assert caught.value.code == 394
        assert await connection.query("SELECT 1", "TSV") == b"1\n"


async def test_a_kill_still_finds_a_connection_that_changed_its_settings(connect, until):
    async with connect(2) as (connection, watcher):
        await connection.query("SET log_comment = 'mine'")
        await connection.mark()
        query = asyncio.create_task(connection.query(ENDLESS))

        async def runs():
            sql = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT%sipHash64%'"
            return int(await watcher.query(sql, "TSV")) > 1

        await until(runs)
        await connection.kill()
        with pytest.raises(DatabaseError):
            await query


@pytest.mark.guarantee("ENGINE-4")
async def test_sessions_are_apart(connect):
    setting = "SELECT getSetting('max_threads'), currentDatabase()"
    async with connect(2) as (first, second):
        before = await second.query(setting, "TSV")
        await first.query("SET max_threads = 17")
        await first.query("USE system")
        await first.query("CREATE TEMPORARY TABLE t (a UInt8)")

        assert await first.query(setting, "TSV") == b"17\tsystem\n"
        assert await second.query(setting, "TSV") == before
        with pytest.raises(DatabaseError):
            await second.query("SELECT * FROM t")


async def test_sql_need_not_be_utf_8(connect):
    async with connect() as (connection,):
        sql = b"SELECT '\xff\xfe'".decode("utf-8", "surrogateescape")

        assert await connection.query(sql, "TSV") == b"\xff\xfe\n"


async def test_the_engine_says_which_settings_are_numbers(open_engine):
    async with open_engine() as engine:
        assert engine.numeric_settings["max_threads"]
        assert engine.numeric_settings["extremes"]
        assert not engine.numeric_settings["load_balancing"]
        assert not engine.numeric_settings["insert_deduplication_token"]
        assert not engine.numeric_settings["totals_auto_threshold"]


async def test_the_memory_is_capped(connect):
    async with connect() as (connection,):
        sql = (
            "SELECT value FROM system.server_settings"
            " WHERE name IN ('max_server_memory_usage', 'mark_cache_size') ORDER BY name"
        )

        assert await connection.query(sql, "TSV") == b"%d\n%d\n" % (32 << 20, 512 << 20)
