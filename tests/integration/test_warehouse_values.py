"""What goes to the warehouse comes back as it was: parameters, answers, inserted columns."""

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ugc_core.binding import identifier
from ugc_core.bootstrap import open_warehouse
from ugc_core.errors import QueryRefusedError
from ugc_core.settings import WarehouseSection
from ugc_core.warehouse import Answer, Column

MILLISECOND = timedelta(milliseconds=1)

on_the_engine = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def section(port: int) -> WarehouseSection:
    return WarehouseSection(url=f"clickhouse://127.0.0.1:{port}/default")


async def read(port: int, sql: str, parameters: Mapping[str, object] | None = None) -> Answer:
    async with open_warehouse(section(port)) as warehouse:
        return await warehouse.read(sql, parameters)


def echo(port: int, kind: str, values: list[Any]) -> list[Any]:
    """Send values as parameters of a type, and return what comes back."""
    names = [f"v{number}" for number in range(len(values))]
    sql = "SELECT " + ", ".join(f"{{{name}:{kind}}}" for name in names)
    answer = asyncio.run(read(port, sql, dict(zip(names, values, strict=True))))
    return [*answer.rows[0]]


def several(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=8)


# --- parameters


@on_the_engine
@given(several(st.text()))
@example(
    ["it's", '"', "\\", "\\'", "''", "\0", "{a:String}", "%s %(a)s", "\n\r\t\b", "\u2028", "🎬"]
)
@example(["'; DROP TABLE views; --", "\\\\'", "\\0", "`", "/*", "--", "$$"])
def test_any_text_comes_back_as_it_was(warehouse_server, values):
    assert echo(warehouse_server, "String", values) == values


@on_the_engine
@given(several(st.lists(st.text(), max_size=5)))
@example([["]", "[", ",", "'", "\\"], [], ["', '"]])
def test_any_list_of_texts_comes_back_as_it_was(warehouse_server, values):
    assert echo(warehouse_server, "Array(String)", values) == values


@on_the_engine
@given(several(st.integers(-(2**63), 2**63 - 1)))
def test_any_whole_number_comes_back_as_it_was(warehouse_server, values):
    assert echo(warehouse_server, "Int64", values) == values
    assert echo(warehouse_server, "Array(Int64)", [values]) == [values]


@on_the_engine
@given(several(st.floats()))
def test_any_floating_number_comes_back_as_it_was(warehouse_server, values):
    alone = echo(warehouse_server, "Float64", values)
    [together] = echo(warehouse_server, "Array(Float64)", [values])

    for value, twin in zip(values * 2, [*alone, *together], strict=True):
        assert value == twin or (math.isnan(value) and math.isnan(twin))


@on_the_engine
@given(several(st.uuids()))
def test_any_uuid_comes_back_as_it_was(warehouse_server, values):
    assert echo(warehouse_server, "UUID", values) == values
    assert echo(warehouse_server, "Array(UUID)", [values]) == [values]


@on_the_engine
@given(
    several(
        st.datetimes(
            datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis wants it so
            datetime(2299, 12, 31),  # noqa: DTZ001
            timezones=st.timezones(),
        )
    )
)
@example([datetime(1970, 1, 1, 0, 33, 20, tzinfo=UTC), datetime(1969, 12, 31, 23, tzinfo=UTC)])
def test_any_time_comes_back_to_the_millisecond(warehouse_server, values):
    found = echo(warehouse_server, "DateTime64(3, 'UTC')", values)

    for value, twin in zip(values, found, strict=True):
        assert timedelta() <= value - twin < MILLISECOND
    assert echo(warehouse_server, "Array(DateTime64(3, 'UTC'))", [values]) == [found]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("Bool", True, True),
        ("UInt8", True, 1),
        ("Date", "2026-01-01", datetime(2026, 1, 1, tzinfo=UTC).date()),
        ("LowCardinality(String)", "tv", "tv"),
        ("Nullable(UInt32)", 5, 5),
        ("Array(Array(String))", [["it's"], []], [["it's"], []]),
        ("Array(Bool)", [True, False], [True, False]),
    ],
)
def test_a_parameter_has_the_type_it_names(warehouse_server, kind, value, expected):
    assert echo(warehouse_server, kind, [value]) == [expected]


async def test_a_time_may_be_sent_as_one_of_whole_seconds(warehouse_server):
    moment = datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)

    answer = await read(warehouse_server, "SELECT toUnixTimestamp({at:DateTime})", {"at": moment})

    assert answer.rows == [(1_767_225_600,)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("UInt8", 256),
        ("UInt8", -1),
        ("UInt32", 2**32),
        ("UInt64", 2**64),
        ("Int64", 2**63),
        ("Array(UInt8)", [1, 256]),
        ("UUID", "no uuid"),
        ("UInt32", "no number"),
    ],
)
def test_a_parameter_that_does_not_fit_its_type_is_refused_and_never_bent(
    warehouse_server, kind, value
):
    with pytest.raises(QueryRefusedError):
        echo(warehouse_server, kind, [value])


async def test_a_parameter_may_stand_where_sql_wants_a_constant(warehouse_server):
    answer = await read(
        warehouse_server,
        "SELECT number FROM numbers({top:UInt64}) WHERE number IN {these:Array(UInt64)}"
        " ORDER BY number LIMIT {most:UInt32}",
        {"top": 10, "these": [2, 5, 7], "most": 2},
    )

    assert answer.rows == [(2,), (5,)]


async def test_a_wrong_parameter_is_an_error_before_anything_is_sent(warehouse_server):
    async with open_warehouse(section(warehouse_server)) as warehouse:
        with pytest.raises(KeyError, match="missing"):
            await warehouse.read("SELECT {missing:String}")
        with pytest.raises(KeyError, match="unused"):
            await warehouse.read("SELECT 1", {"unused": 1})
        with pytest.raises(TypeError, match="NoneType"):
            await warehouse.read("SELECT {v:String}", {"v": None})


# --- answers


async def test_an_answer_has_names_types_and_rows(warehouse_server):
    answer = await read(
        warehouse_server,
        "SELECT number AS n, toString(number) AS text, toNullable(NULL) AS nothing FROM numbers(2)",
    )

    assert answer.names == ("n", "text", "nothing")
    assert answer.types == ("UInt64", "String", "Nullable(Nothing)")
    assert answer.rows == [(0, "0", None), (1, "1", None)]


async def test_an_answer_without_a_row_still_has_names_and_types(warehouse_server):
    answer = await read(warehouse_server, "SELECT 1 AS one WHERE 0")

    assert (answer.names, answer.types, [*answer.rows]) == (("one",), ("UInt8",), [])


async def test_an_answer_of_many_blocks_is_whole(warehouse_server):
    answer = await read(warehouse_server, "SELECT number FROM numbers(300000)")

    assert len(answer.rows) == 300_000
    assert answer.rows[-1] == (299_999,)


async def test_a_setting_holds_for_its_statement_alone(warehouse_server):
    sql = "SELECT getSetting('max_result_rows')"
    async with open_warehouse(section(warehouse_server)) as warehouse:
        changed = await warehouse.read(sql, settings={"max_result_rows": 77})
        after = await warehouse.read(sql)

    assert changed.rows == [(77,)]
    assert after.rows != [(77,)]


# --- inserts

TABLE = """
    CREATE TABLE {database}.things
    (
        id UUID, number UInt64, signed Int64, maybe Nullable(UInt32), text String,
        word LowCardinality(String), at DateTime64(3, 'UTC'), `it's \\`odd\\`` UInt8
    )
    ENGINE = MergeTree ORDER BY number
"""

things = st.fixed_dictionaries(
    {
        "id": st.uuids(),
        "signed": st.integers(-(2**63), 2**63 - 1),
        "maybe": st.none() | st.integers(0, 2**32 - 1),
        "text": st.text(),
        "word": st.sampled_from(["", "tv", "web"]),
        "at": st.integers(0, 9_000_000_000_000),
        "it's `odd`": st.integers(0, 255),
    }
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(things, min_size=1, max_size=20))
def test_inserted_columns_come_back_as_they_were(bare_database, rows):
    asyncio.run(insert_and_compare(bare_database, rows))


async def insert_and_compare(database: WarehouseSection, rows: list[dict[str, object]]) -> None:
    columns: dict[str, Column] = {"number": [*range(len(rows))]}
    columns |= {name: [row[name] for row in rows] for name in rows[0]}
    names = ", ".join("toUnixTimestamp64Milli(at)" if n == "at" else identifier(n) for n in rows[0])
    async with open_warehouse(database) as warehouse:
        name = database.url.rpartition("/")[2]
        await warehouse.execute(f"DROP TABLE IF EXISTS {name}.things")
        await warehouse.execute(TABLE.format(database=name))
        await warehouse.insert("things", columns, settings={})
        found = await warehouse.read(f"SELECT {names} FROM things ORDER BY number")

    assert found.rows == [tuple(row[name] for name in rows[0]) for row in rows]
