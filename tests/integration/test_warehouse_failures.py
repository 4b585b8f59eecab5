"""What the client makes of a real engine's refusals, and of a server that comes and goes."""

import asyncio
from uuid import UUID

import pytest

from tests.integration.processes import ChdbServer
from ugc_core import clickhouse_errors
from ugc_core.bootstrap import open_warehouse
from ugc_core.errors import (
    QueryRefusedError,
    RowsRefusedError,
    SchemaMismatchError,
    WarehouseUnavailableError,
)
from ugc_core.settings import WarehouseSection
from ugc_core.warehouse import Column

THINGS = """
    CREATE TABLE things
    (
        id UUID, number UInt8, text String, at DateTime64(3, 'UTC'),
        CONSTRAINT odd CHECK number % 2 = 1
    )
    ENGINE = MergeTree ORDER BY number
"""

_TURNS = 2000
"""Of the loop, more than two reads take."""


def thing(**changes: object) -> dict[str, Column]:
    """Return the columns of one row that fits."""
    fields: dict[str, object] = {"id": UUID(int=1), "number": 1, "text": "x", "at": 0}
    return {name: [value] for name, value in (fields | changes).items()}


# --- refusals


@pytest.mark.parametrize(
    "sql",
    [
        "SELEKT 1",
        "SELECT nonsense",
        "SELECT * FROM nowhere",
        "SELECT * FROM nowhere.at_all",
        "SELECT throwIf(1)",
        "SELECT toUInt8('x')",
    ],
)
async def test_a_read_that_can_never_work_is_refused_with_the_servers_words(bare_database, sql):
    async with open_warehouse(bare_database) as warehouse:
        with pytest.raises(QueryRefusedError, match=r"ClickHouse says \(code \d+\): \S"):
            await warehouse.read(sql)
        with pytest.raises(QueryRefusedError):
            await warehouse.execute(sql)

        assert (await warehouse.read("SELECT 1")).rows == [(1,)]


async def test_a_database_that_is_not_there_is_refused(warehouse_server):
    section = WarehouseSection(url=f"clickhouse://127.0.0.1:{warehouse_server}/nowhere")
    async with open_warehouse(section) as warehouse:
        with pytest.raises(QueryRefusedError, match="nowhere"):
            await warehouse.read("SELECT 1")
        with pytest.raises(SchemaMismatchError, match=r"nowhere.*ugc init"):
            await warehouse.insert("things", thing(), settings={})


async def test_a_wrong_password_is_refused(warehouse_server):
    section = WarehouseSection(
        url=f"clickhouse://127.0.0.1:{warehouse_server}/default", user="nobody", password="wrong"
    )
    async with open_warehouse(section) as warehouse:
        with pytest.raises(QueryRefusedError, match="code 516") as refused:
            await warehouse.read("SELECT 1")

    assert "wrong" not in str(refused.value)


@pytest.mark.parametrize(
    ("table", "columns"),
    [("nowhere", {"n": [1]}), ("things", {"nothing": [1]}), ("things", {"id": [], "nothing": []})],
)
async def test_a_table_or_column_that_is_not_there_is_another_schema(bare_database, table, columns):
    async with open_warehouse(bare_database) as warehouse:
        await warehouse.execute(THINGS)
        with pytest.raises(SchemaMismatchError, match="ugc init"):
            await warehouse.insert(table, columns, settings={})


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 256},
        {"number": -1},
        {"number": None},
        {"number": "1"},
        {"id": "no uuid"},
        {"id": None},
        {"text": "\ud800"},
        {"at": None},
        {"at": 2**63},
        {"number": 2},  # the server's own constraint
    ],
    ids=str,
)
async def test_a_value_that_can_never_be_stored_refuses_the_rows(bare_database, changes):
    async with open_warehouse(bare_database) as warehouse:
        await warehouse.execute(THINGS)
        with pytest.raises(RowsRefusedError):
            await warehouse.insert("things", thing(**changes), settings={})
        await warehouse.insert("things", thing(), settings={})

        assert (await warehouse.read("SELECT count() FROM things")).rows == [(1,)]


async def test_one_bad_row_keeps_the_good_ones_of_its_insert_out(bare_database):
    columns: dict[str, Column] = {name: [*column] * 3 for name, column in thing().items()}
    columns["number"] = [1, 2, 3]
    async with open_warehouse(bare_database) as warehouse:
        await warehouse.execute(THINGS)
        with pytest.raises(RowsRefusedError):
            await warehouse.insert("things", columns, settings={})

        assert (await warehouse.read("SELECT count() FROM things")).rows == [(0,)]


async def test_a_view_that_throws_is_for_a_person_to_mend(bare_database):
    async with open_warehouse(bare_database) as warehouse:
        await warehouse.execute(THINGS)
        await warehouse.execute(
            "CREATE MATERIALIZED VIEW broken ENGINE = MergeTree ORDER BY n AS"
            " SELECT throwIf(number = 1) AS n FROM things"
        )
        with pytest.raises(QueryRefusedError, match="code 395"):
            await warehouse.insert("things", thing(), settings={})


async def test_too_many_months_at_once_are_for_another_try(bare_database):
    async with open_warehouse(bare_database) as warehouse:
        await warehouse.execute(
            "CREATE TABLE parted (n UInt32) ENGINE = MergeTree PARTITION BY n ORDER BY n"
        )
        with pytest.raises(WarehouseUnavailableError, match="code 252"):
            await warehouse.insert("parted", {"n": [*range(101)]}, settings={})


async def test_every_code_has_the_name_that_clickhouse_gives_it(warehouse_server):
    known = {
        **clickhouse_errors._TRY_AGAIN,
        **clickhouse_errors._BAD_VALUE,
        **clickhouse_errors._NO_SUCH_THING,
    }
    section = WarehouseSection(url=f"clickhouse://127.0.0.1:{warehouse_server}/default")
    async with open_warehouse(section) as warehouse:
        answer = await warehouse.read(
            "SELECT code, errorCodeToName(code)"
            " FROM (SELECT arrayJoin({codes:Array(UInt32)}) AS code)",
            {"codes": [*known]},
        )

    assert dict(answer.rows) == known  # type: ignore[arg-type]


# --- side by side


async def test_many_calls_share_a_few_connections(warehouse_server):
    section = WarehouseSection(
        url=f"clickhouse://127.0.0.1:{warehouse_server}/default", max_connections=3
    )
    async with open_warehouse(section) as warehouse:
        answers = await asyncio.gather(
            *(warehouse.read("SELECT {n:UInt32}", {"n": n}) for n in range(30))
        )

    assert [answer.rows for answer in answers] == [[(n,)] for n in range(30)]


# --- cancelled


async def test_a_cancelled_call_ends_wherever_it_is(warehouse_server):
    section = WarehouseSection(url=f"clickhouse://127.0.0.1:{warehouse_server}/default")

    ends = [await _cancelled_after(section, turns) for turns in range(0, _TURNS, _TURNS // 400)]

    # Before Python 3.12, asyncio.wait_for forgets a cancellation that meets its result.
    assert "cancelled" in ends
    assert "went on" not in ends


async def _cancelled_after(section: WarehouseSection, turns: int) -> str:
    """Cancel a call on a new connection after so many turns of the loop; say how it ended."""
    calls = asyncio.create_task(_two_reads(section))
    for _ in range(turns):
        await asyncio.sleep(0)
    if not calls.cancel():
        return "answered"
    await asyncio.wait({calls})
    return "cancelled" if calls.cancelled() else "went on"


async def _two_reads(section: WarehouseSection) -> None:
    """Read on a new connection, and once more: before that asynch asks whether it lives."""
    async with open_warehouse(section) as warehouse:
        await warehouse.read("SELECT 1")
        await warehouse.read("SELECT 1")


# --- a server that comes and goes


@pytest.mark.parametrize("end", [ChdbServer.stop, ChdbServer.kill], ids=["stopped", "killed"])
async def test_a_server_that_comes_back_is_used_again_without_a_restart(own_server, end):
    section = WarehouseSection(url=f"clickhouse://127.0.0.1:{own_server.port}/default")
    async with open_warehouse(section) as warehouse:
        await warehouse.execute("CREATE TABLE t (n UInt32) ENGINE = MergeTree ORDER BY n")
        await warehouse.insert("t", {"n": [1]}, settings={})

        end(own_server)
        with pytest.raises(WarehouseUnavailableError):
            await warehouse.insert("t", {"n": [2]}, settings={})
        with pytest.raises(WarehouseUnavailableError):
            await warehouse.read("SELECT 1")

        own_server.start()
        await warehouse.insert("t", {"n": [3]}, settings={})
        assert (await warehouse.read("SELECT n FROM t ORDER BY n")).rows == [(1,), (3,)]
