"""asynch, the client that the product uses."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import asyncio
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from asynch.errors import ServerException

ID = UUID(int=1 << 100)
AT = datetime(2026, 10, 1, 12, 30, 0, 123000, tzinfo=UTC)

COLUMNS = {
    "id": ("UUID", [ID, UUID(int=0)]),
    "u32": ("UInt32", [0, 2**32 - 1]),
    "u64": ("UInt64", [0, 2**64 - 1]),
    "i64": ("Int64", [-(2**63), 2**63 - 1]),
    "f64": ("Float64", [-1.5, 1e300]),
    "at": ("DateTime64(3, 'UTC')", [AT, datetime(1970, 1, 1, tzinfo=UTC)]),
    "day": ("Date", [date(1970, 1, 1), date(2026, 10, 1)]),
    "kind": ("LowCardinality(String)", ["web", "tv"]),
    "text": ("String", ["", "\N{SNOWMAN}" * 1000]),
    "maybe": ("Nullable(UInt32)", [None, 7]),
    "maybe_kind": ("LowCardinality(Nullable(String))", [None, "x"]),
    "list": ("Array(String)", [[], ["a", "b"]]),
    "lists": ("Array(Array(UInt64))", [[[]], [[1, 2], [3]]]),
    "map": ("Map(String, UInt64)", [{}, {"a": 1, "b": 2}]),
    "pair": ("Tuple(UInt8, String)", [(0, ""), (255, "x")]),
    "truth": ("Bool", [True, False]),
    "kinds": ("Enum8('a' = 1, 'b' = 2)", ["a", "b"]),
    "code": ("FixedString(3)", ["abc", "xyz"]),
}


@pytest.mark.parametrize("compression", [False, True])
async def test_every_type_comes_back(server, database, compression):
    definition = ", ".join(f"{name} {type_name}" for name, (type_name, _) in COLUMNS.items())
    rows = list(zip(*(values for _, values in COLUMNS.values()), strict=True))
    async with server.connect(database=database, compression=compression) as client:
        create = f"CREATE TABLE t (n UInt8 DEFAULT 0, {definition}) ENGINE = MergeTree ORDER BY n"
        await client.ask(create)
        names = ", ".join(COLUMNS)

        await client.put(f"INSERT INTO t ({names}) VALUES", rows)

        found = await client.ask(f"SELECT {names} FROM t ORDER BY u64")
    assert found == rows


async def test_strings_are_bytes(server, database):
    raw = bytes(range(256))
    async with server.connect(database=database) as client:
        await client.ask("CREATE TABLE t (s String) ENGINE = Memory")
        await client.put("INSERT INTO t (s) VALUES", [(raw,)])

        assert await client.ask("SELECT hex(s) FROM t") == [(raw.hex().upper(),)]


async def test_aggregate_states_are_read_by_finalizing_and_merging(server, database):
    async with server.connect(database=database) as client:
        await client.ask(
            "CREATE TABLE t (k UInt8, films AggregateFunction(uniq, UInt64),"
            " seconds SimpleAggregateFunction(sum, UInt64))"
            " ENGINE = AggregatingMergeTree ORDER BY k",
        )
        for _ in range(2):
            await client.ask(
                "INSERT INTO t SELECT number % 2, uniqState(number), sum(1) FROM numbers(10)"
                " GROUP BY number % 2",
            )

        merged = "SELECT k, uniqMerge(films), sum(seconds) FROM t GROUP BY k ORDER BY k"
        assert await client.ask(merged) == [(0, 5, 10), (1, 5, 10)]
        final = "SELECT k, finalizeAggregation(films), seconds FROM t FINAL ORDER BY k"
        assert await client.ask(final) == [(0, 5, 10), (1, 5, 10)]


async def test_a_result_of_many_blocks_is_whole(server):
    found = await server.rows("SELECT number FROM numbers(300000)")

    assert [number for (number,) in found] == list(range(300000))


@pytest.mark.parametrize("sql", ["SELECT 1 AS a WHERE 0", "SELECT 1 AS a WHERE 0 -- comment"])
async def test_an_empty_result_has_its_columns(server, sql):
    async with server.connect() as client, client.connection.cursor() as cursor:
        await cursor.execute(sql)

        assert await cursor.fetchall() == []
        assert [column[:2] for column in cursor.description] == [("a", "UInt8")]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SHOW TABLES FROM system LIKE 'one'", [("one",)]),
        ("EXISTS TABLE system.one", [(1,)]),
        ("SHOW TABLES FROM system LIKE 'nothing at all'", []),
        ("WITH 1 AS a SELECT a FORMAT JSON", [(1,)]),
        ("(SELECT 1) UNION ALL (SELECT 1)", [(1,), (1,)]),
        ("FROM system.one SELECT 5;", [(5,)]),
    ],
)
async def test_statements_of_all_kinds_answer(server, sql, rows):
    assert await server.rows(sql) == rows


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELEC 1", 62),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT * FROM nowhere", 60),
        ("SELECT 1 + 'a'", 43),
        (
            "SELECT throwIf(number = 200000) FROM numbers(300000) SETTINGS max_block_size = 1000",
            395,
        ),
        ("DROP TABLE nowhere", 60),
        ("USE nowhere", 81),
    ],
)
async def test_an_error_has_its_code_and_the_connection_goes_on(server, sql, code):
    async with server.connect() as client:
        with pytest.raises(ServerException) as caught:
            await client.ask(sql)

        assert caught.value.code == code
        assert "DB::" in str(caught.value)
        assert await client.ask("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("INSERT INTO nowhere (a) VALUES", 60),
        ("INSERT INTO t (nothing) VALUES", 16),
        ("INSERT INTO t (computed) VALUES", 16),
        ("INSERT INTO t (a) VALUES", 469),
        ("INSERT INTO states (s) VALUES", 48),
    ],
)
async def test_a_failed_insert_has_its_code_and_the_connection_goes_on(server, database, sql, code):
    async with server.connect(database=database) as client:
        await client.ask(
            "CREATE TABLE t (a UInt8, computed UInt8 ALIAS a, CONSTRAINT small CHECK a < 10)"
            " ENGINE = Memory",
        )
        await client.ask("CREATE TABLE states (s AggregateFunction(sum, UInt8)) ENGINE = Memory")

        with pytest.raises(ServerException) as caught:
            await client.put(sql, [(11,)])

        assert caught.value.code == code
        assert await client.ask("SELECT count() FROM t") == [(0,)]


async def test_the_settings_of_a_query_ends_with_it(server):
    setting = "SELECT getSetting('max_threads')"
    async with server.connect() as client:
        before = await client.ask(setting)

        assert await client.ask(setting, {"max_threads": "17"}) == [(17,)]
        assert await client.ask(setting) == before
        assert await client.ask(setting, {"max_threads": "18", "max_block_size": "5"}) == [(18,)]
        assert await client.ask("SELECT getSetting('max_block_size')", {"max_threads": "3"}) != [
            (5,)
        ]


async def test_what_set_says_stays_and_comes_back_after_a_query_with_its_own(server):
    setting = "SELECT getSetting('max_threads')"
    async with server.connect() as client, server.connect() as other:
        before = await other.ask(setting)
        await client.ask("SET max_threads = 17", {"max_threads": "18"})

        assert await client.ask(setting) == [(17,)]
        assert await client.ask(setting, {"max_threads": "19"}) == [(19,)]
        assert await client.ask(setting) == [(17,)]
        assert await other.ask(setting) == before
        await client.ask("SET max_threads = DEFAULT", {"max_threads": "19"})
        assert await client.ask(setting) == before


async def test_a_wrong_setting_is_an_error_and_does_not_stay(server):
    async with server.connect() as client:
        for wrong in ({"no_such_setting": "1"}, {"max_threads": "x"}, {"max_threads = 1, x": "1"}):
            with pytest.raises(ServerException):
                await client.ask("SELECT 1", {"max_block_size": "5", **wrong})

        assert await client.ask("SELECT getSetting('max_block_size')") != [(5,)]


async def test_a_setting_that_could_not_be_taken_back_is_refused(server):
    async with server.connect() as client:
        with pytest.raises(ServerException, match="use SET") as caught:
            await client.ask("SELECT 1", {"readonly": "1"})

        assert caught.value.code == 48
        assert await client.ask("SELECT 1", {"readonly": "0", "max_threads": "1"}) == [(1,)]


async def test_a_session_can_be_made_read_only(server, database):
    async with server.connect(database=database) as client:
        await client.ask("SET readonly = 1")

        with pytest.raises(ServerException) as caught:
            await client.ask("CREATE TABLE t (a UInt8) ENGINE = Memory")

        assert caught.value.code == 164
        assert await client.ask("SELECT 1") == [(1,)]


async def test_a_client_s_log_comment_is_left_out(server):
    """The engine's field for it is how a query is found to be cancelled."""
    own = {"log_comment": "mine"}

    assert await server.rows("SELECT getSetting('log_comment') = 'mine'", own) == [(0,)]


async def test_a_setting_holds_any_text(server):
    text = "it's \\ a `text`"
    sql = "SELECT getSetting('format_csv_null_representation')"

    assert await server.rows(sql, {"format_csv_null_representation": text}) == [(text,)]


async def test_the_session_keeps_its_database_and_temporary_tables(server, database):
    async with server.connect() as client, server.connect() as other:
        await client.ask(f"USE {database}")
        await client.ask("CREATE TEMPORARY TABLE t (a UInt8)")
        await client.put("INSERT INTO t (a) VALUES", [(1,), (2,)])

        assert await client.ask("SELECT currentDatabase()") == [(database,)]
        assert await client.ask("SELECT sum(a) FROM t") == [(3,)]
        with pytest.raises(ServerException):
            await other.ask("SELECT * FROM t")


@pytest.mark.parametrize("name", ["with space", "back`tick", "quo'te\"s", "back\\slash"])
async def test_any_database_name_can_be_connected_to(server, name):
    quoted = "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
    await server.rows(f"CREATE DATABASE IF NOT EXISTS {quoted}")
    try:
        assert await server.rows("SELECT currentDatabase()", database=name) == [(name,)]
    finally:
        await server.rows(f"DROP DATABASE {quoted}")


async def test_a_database_that_is_not_there_is_an_error(server):
    with pytest.raises(ServerException) as caught:
        await server.rows("SELECT 1", database="nowhere")

    assert caught.value.code == 81


async def test_thirty_connections_are_served(server, database):
    await server.rows("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a", database=database)

    async def work(number: int) -> None:
        async with server.connect(database=database) as client:
            for part in range(3):
                await client.put("INSERT INTO t (a) VALUES", [(number * 3 + part,)])
                await client.ask("SELECT count() FROM t")

    await asyncio.gather(*(work(number) for number in range(30)))

    found = await server.rows("SELECT uniqExact(a), count() FROM t", database=database)
    assert found == [(90, 90)]


async def test_a_column_may_be_named_by_a_long_text(server):
    text = "x" * 200_000

    assert await server.rows(f"SELECT '{text}'") == [(text,)]


async def test_ping_is_answered(server):
    async with server.connect() as client:
        await client.connection.ping()
        await client.connection.ping()
