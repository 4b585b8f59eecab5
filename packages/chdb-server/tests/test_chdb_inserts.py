"""Rows in, against a real server: tokens, bounds, and every way to write an INSERT."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import pytest
from asynch.errors import ServerException

WINDOW = "SETTINGS non_replicated_deduplication_window = 1000"
BOTH_DROP = {"deduplicate_blocks_in_dependent_materialized_views": "1"}


async def test_a_token_stores_its_rows_once(server, database):
    counts = []
    async with server.connect(database=database) as client:
        await client.ask(f"CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a {WINDOW}")
        for token, first in [("a", 0), ("a", 0), ("a", 100), ("b", 0), ("c", 100)]:
            rows = [(first + number,) for number in range(10)]
            await client.put(
                "INSERT INTO t (a) VALUES", rows, {"insert_deduplication_token": token}
            )
            counts += await client.ask("SELECT count() FROM t")

    assert counts == [(10,), (10,), (10,), (20,), (30,)]


async def test_a_token_in_the_statement_counts_too(server, database):
    async with server.connect(database=database) as client:
        await client.ask(f"CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a {WINDOW}")
        insert = "INSERT INTO t (a) SETTINGS insert_deduplication_token = 'x' VALUES"
        for _ in range(2):
            await client.put(insert, [(1,)])

        assert await client.ask("SELECT count() FROM t") == [(1,)]


async def test_a_token_is_kept_by_the_tables_behind_a_view(server, database):
    async with server.connect(database=database) as client:
        await client.ask(f"CREATE TABLE raw (a UInt32) ENGINE = MergeTree ORDER BY a {WINDOW}")
        await client.ask(
            f"CREATE TABLE sums (k UInt8, s SimpleAggregateFunction(sum, UInt64))"
            f" ENGINE = AggregatingMergeTree ORDER BY k {WINDOW}"
        )
        await client.ask(
            "CREATE MATERIALIZED VIEW v TO sums AS"
            " SELECT toUInt8(a % 2) AS k, sum(a) AS s FROM raw GROUP BY k"
        )
        for token in ("a", "a", "b", "b"):
            rows = [(number,) for number in range(5)]
            settings = {"insert_deduplication_token": token, **BOTH_DROP}
            await client.put("INSERT INTO raw (a) VALUES", rows, settings)

        assert await client.ask("SELECT count(), sum(a) FROM raw") == [(10, 20)]
        merged = "SELECT k, sum(s) FROM sums GROUP BY k ORDER BY k"
        assert await client.ask(merged) == [(0, 12), (1, 8)]


async def test_an_insert_past_the_bound_is_refused_and_the_connection_goes_on(server, database):
    async with server.connect(database=database) as client:
        await client.ask("CREATE TABLE t (s String) ENGINE = MergeTree ORDER BY tuple()")
        megabyte = "x" * (1 << 20)

        with pytest.raises(ServerException, match="max-insert-mib") as caught:
            await client.put("INSERT INTO t (s) VALUES", [(megabyte,)] * 20)

        assert caught.value.code == 241
        assert await client.ask("SELECT count() FROM t") == [(0,)]
        await client.put("INSERT INTO t (s) VALUES", [(megabyte,)] * 7)
        assert await client.ask("SELECT count() FROM t") == [(7,)]


async def test_a_query_past_the_memory_bound_is_refused_and_the_server_goes_on(server):
    async with server.connect() as client:
        with pytest.raises(ServerException) as caught:
            await client.ask("SELECT length(groupArray(number)) FROM numbers(500000000)")

        assert caught.value.code == 241
        assert await client.ask("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO t VALUES",
        "INSERT INTO t (a, b) VALUES",
        "INSERT INTO t (* EXCEPT(c, e)) VALUES",
        "-- first\nINSERT /* ( */ INTO t -- VALUES (\n (a, `b`) VALUES",
        "INSERT INTO TABLE t (a, b) SETTINGS max_threads = 1 VALUES",
        "INSERT INTO t (a, b) FORMAT Native",
        "insert into t(b, a) values",
        "INSERT INTO t (a, b, e) VALUES",
    ],
)
async def test_an_insert_may_be_written_in_many_ways(server, database, insert):
    async with server.connect(database=database) as client:
        await client.ask(
            "CREATE TABLE t (a UInt8, b UInt8, c UInt8 ALIAS a, e UInt8 EPHEMERAL,"
            " m UInt8 MATERIALIZED a) ENGINE = MergeTree ORDER BY a"
        )
        wide = "b, e" in insert
        block = await client.connection._connection.execute(
            insert, [(1, 1, 1)] if wide else [(1, 1)]
        )

        assert block == 1
        assert await client.ask("SELECT a, b, m FROM t") == [(1, 1, 1)]


async def test_a_table_function_takes_rows(server, database, tmp_path):
    file = tmp_path / "it's (1).csv"
    quoted = str(file).replace("'", "\\'")
    structure = "a UInt8, b String"
    async with server.connect(database=database) as client:
        insert = f"INSERT INTO FUNCTION file('{quoted}', 'CSV', '{structure}') VALUES"
        await client.connection._connection.execute(insert, [(1, "x"), (2, "y;")])

    assert file.read_text() == '1,"x"\n2,"y;"\n'


async def test_nested_columns_take_rows(server, database):
    async with server.connect(database=database) as client:
        await client.ask("CREATE TABLE t (k UInt8, n Nested(a UInt8, b String)) ENGINE = Memory")
        await client.put("INSERT INTO t (k, n.a, `n.b`) VALUES", [(1, [1, 2], ["x", "y"])])

        assert await client.ask("SELECT k, n.a, n.b FROM t") == [(1, [1, 2], ["x", "y"])]


@pytest.mark.parametrize(
    "insert",
    [
        "INSERT INTO t SELECT number FROM numbers(3)",
        "INSERT INTO t (a) SELECT number FROM numbers(3);",
        "INSERT INTO t WITH 3 AS n SELECT number FROM numbers(n)",
        "WITH x AS (SELECT number FROM numbers(3)) INSERT INTO t SELECT * FROM x",
        "INSERT INTO t VALUES (0), (1), (2)",
        "INSERT INTO t FORMAT CSV\n0\n1\n2\n",
        "INSERT INTO t SETTINGS async_insert = 0 SELECT number FROM numbers(3)",
    ],
)
async def test_an_insert_that_brings_its_rows_runs_as_it_is(server, database, insert):
    await server.rows("CREATE TABLE t (a UInt8) ENGINE = Memory", database=database)
    async with server.raw() as client:
        client.query(f"USE {database}")
        client.end()
        await client.last_packet()
        client.query(insert)
        client.end()
        end = await client.last_packet()

        assert (end.code, end.text) == (0, "")
    assert await server.rows(f"SELECT sum(a) FROM {database}.t") == [(3,)]


async def test_a_view_that_throws_fails_the_insert(server, database):
    async with server.connect(database=database) as client:
        await client.ask("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
        await client.ask(
            "CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT throwIf(a = 2) AS x FROM t"
        )
        with pytest.raises(ServerException) as caught:
            await client.put("INSERT INTO t (a) VALUES", [(2,)])

        assert caught.value.code == 395


async def test_too_many_partitions_fail_the_insert(server, database):
    async with server.connect(database=database) as client:
        await client.ask("CREATE TABLE t (a UInt16) ENGINE = MergeTree PARTITION BY a ORDER BY a")
        with pytest.raises(ServerException) as caught:
            await client.put("INSERT INTO t (a) VALUES", [(number,) for number in range(101)])

        assert caught.value.code == 252
        assert await client.ask("SELECT count() FROM t") == [(0,)]
