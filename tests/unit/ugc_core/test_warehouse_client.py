"""The warehouse client against servers that misbehave.

asynch 0.4.0 reads one packet after an INSERT, and forgets that a query is under way when it
has to connect anew: both would make a failed insert look done.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.ugc_core.fake_clickhouse import (
    END,
    DeafServer,
    DoorKeeper,
    FakeClickHouse,
    SilentServer,
    exception,
    progress,
)
from ugc_core.bootstrap import open_warehouse
from ugc_core.errors import (
    QueryRefusedError,
    RowsRefusedError,
    SchemaMismatchError,
    WarehouseUnavailableError,
    WarehouseUnreachableError,
)
from ugc_core.settings import WarehouseSection
from ugc_core.warehouse import Settings, Warehouse

DEADLINE_S = 10
"""Longest time a test waits for what should happen at once."""


def section(port: int, **changes: Any) -> WarehouseSection:
    return WarehouseSection(url=f"clickhouse://127.0.0.1:{port}/movies", **changes)


@asynccontextmanager
async def client_of(fake: FakeClickHouse, **changes: Any) -> AsyncIterator[Warehouse]:
    async with fake.listen() as port, open_warehouse(section(port, **changes)) as warehouse:
        yield warehouse


async def insert(warehouse: Warehouse, *numbers: object) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await warehouse.insert("numbers", {"n": [*numbers]}, settings={})


# --- the last word


async def test_an_insert_that_is_answered_plainly_is_done():
    fake = FakeClickHouse()
    async with client_of(fake) as warehouse:
        await insert(warehouse, 1, 2, 3)
        await insert(warehouse, 4)

    assert fake.rows == [1, 2, 3, 4]
    assert fake.connections == 1


async def test_progress_before_the_end_is_read_and_the_connection_stays_usable():
    fake = FakeClickHouse(progress() * 3 + END)
    async with client_of(fake) as warehouse:
        await insert(warehouse, 1)
        await insert(warehouse, 2)

    assert fake.rows == [1, 2]
    assert fake.connections == 1


@pytest.mark.parametrize("packets", [0, 1, 5])
async def test_an_insert_that_fails_after_progress_is_never_reported_as_done(packets):
    fake = FakeClickHouse(progress() * packets + exception())
    async with client_of(fake) as warehouse:
        with pytest.raises(WarehouseUnavailableError, match=r"code 241\): Memory limit"):
            await insert(warehouse, 1)


async def test_the_same_holds_on_a_connection_that_had_to_be_made_anew():
    fake = FakeClickHouse(END, progress() + exception(), leaves=True)
    async with client_of(fake) as warehouse:
        await insert(warehouse, 1)

        with pytest.raises(WarehouseUnavailableError, match=r"code 241\): Memory limit"):
            await insert(warehouse, 2)

    assert fake.connections == 2


async def test_after_a_failure_the_next_insert_has_a_connection_of_its_own():
    fake = FakeClickHouse(progress() + exception())
    async with client_of(fake) as warehouse:
        with pytest.raises(WarehouseUnavailableError):
            await insert(warehouse, 1)
        await insert(warehouse, 2)

    assert fake.connections == 2


ANSWER = progress() + exception()


@pytest.mark.parametrize("length", range(len(ANSWER)))
async def test_an_answer_that_breaks_off_anywhere_is_no_answer(length):
    fake = FakeClickHouse(ANSWER[:length], leaves=True)
    async with client_of(fake) as warehouse:
        with pytest.raises(WarehouseUnavailableError):
            await insert(warehouse, 1)


@pytest.mark.parametrize("answer", [b"\x63", b"\x01", b"\xff" * 20])
async def test_an_answer_that_nobody_understands_is_no_answer(answer):
    fake = FakeClickHouse(answer, leaves=True)
    async with client_of(fake) as warehouse:
        with pytest.raises(WarehouseUnavailableError):
            await insert(warehouse, 1)


# --- what an insert says and hears


async def test_every_insert_is_synchronous_and_known_to_the_views():
    fake = FakeClickHouse()
    async with client_of(fake) as warehouse:
        settings: Settings = {"insert_deduplication_token": "it's:1-2", "async_insert": 1}
        await warehouse.insert("numbers", {"n": [1]}, settings=settings)

    assert fake.settings == {
        "insert_deduplication_token": "it's:1-2",
        "async_insert": "0",
        "deduplicate_blocks_in_dependent_materialized_views": "1",
    }


async def test_the_callers_columns_are_left_as_they_were():
    numbers = [1, 2]
    async with client_of(FakeClickHouse()) as warehouse:
        await warehouse.insert("numbers", {"n": numbers}, settings={})

    assert numbers == [1, 2]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (242, WarehouseUnavailableError),
        (53, RowsRefusedError),
        (469, RowsRefusedError),
        (60, SchemaMismatchError),
        (81, SchemaMismatchError),
        (497, QueryRefusedError),
        (0, QueryRefusedError),
    ],
)
async def test_the_code_of_a_refusal_decides_what_the_caller_does_next(code, error):
    async with client_of(FakeClickHouse(exception(code))) as warehouse:
        with pytest.raises(error):
            await insert(warehouse, 1)


@pytest.mark.parametrize("value", [-1, 2**64, "text", None, 1.5])
async def test_a_value_that_does_not_fit_refuses_the_rows_before_they_are_sent(value):
    fake = FakeClickHouse()
    async with client_of(fake) as warehouse:
        with pytest.raises(RowsRefusedError):
            await insert(warehouse, 1, value)
        await insert(warehouse, 2)

    assert fake.rows == [2]


# --- a server that is not there


async def test_a_server_that_is_down_is_unavailable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async with open_warehouse(section(port)) as warehouse:
        for call in calls(warehouse):
            with pytest.raises(WarehouseUnavailableError, match=f"127.0.0.1:{port} is not reach"):
                await call


@pytest.mark.parametrize("server", [SilentServer, DoorKeeper])
async def test_a_server_that_never_answers_is_unavailable_at_the_deadline(server):
    deadlines = {"read_timeout_s": 0.1, "insert_timeout_s": 0.1}
    async with (
        server().listen() as port,
        open_warehouse(section(port, **deadlines)) as warehouse,
    ):
        for call in calls(warehouse):
            async with asyncio.timeout(DEADLINE_S):
                with pytest.raises(WarehouseUnavailableError, match=r"within 0\.1 s"):
                    await call


def calls(warehouse: Warehouse):
    """Return one call of each kind."""
    return (
        warehouse.read("SELECT 1"),
        warehouse.execute("SELECT 1"),
        warehouse.insert("numbers", {"n": [1]}, settings={}),
    )


async def test_a_server_that_stops_answering_is_unavailable_at_the_deadline():
    fake = FakeClickHouse()
    async with client_of(fake, insert_timeout_s=0.5) as warehouse:
        await insert(warehouse, 1)
        fake.gate.clear()
        with pytest.raises(WarehouseUnavailableError, match=r"within 0\.5 s"):
            await insert(warehouse, 2)

        fake.gate.set()
        await insert(warehouse, 3)

    assert fake.connections == 2


async def test_a_server_that_takes_no_more_rows_is_unavailable_at_the_deadline():
    more_than_any_buffer = [1] * 2_000_000
    async with (
        DeafServer().listen() as port,
        open_warehouse(section(port, insert_timeout_s=0.2)) as warehouse,
    ):
        with pytest.raises(WarehouseUnavailableError, match=r"within 0\.2 s"):
            await insert(warehouse, *more_than_any_buffer)


async def test_a_server_that_was_restarted_is_found_again():
    fake = FakeClickHouse(leaves=True)
    async with client_of(fake) as warehouse:
        for number in range(3):
            await insert(warehouse, number)

    assert fake.rows == [0, 1, 2]


# --- side by side


async def test_calls_at_once_share_no_more_connections_than_allowed():
    fake = FakeClickHouse()
    fake.gate.clear()
    async with client_of(fake, max_connections=3) as warehouse:
        inserts = [asyncio.create_task(insert(warehouse, number)) for number in range(10)]
        await fake.reached(lambda: fake.waiting == 3)
        fake.gate.set()
        await asyncio.gather(*inserts)

    assert sorted(fake.rows) == [*range(10)]
    assert fake.most_at_once == 3
    assert fake.connections == 3


async def test_waiting_for_a_connection_counts_towards_the_deadline():
    fake = FakeClickHouse()
    fake.gate.clear()
    async with client_of(fake, max_connections=1, insert_timeout_s=0.5) as warehouse:
        both = await asyncio.gather(
            insert(warehouse, 1), insert(warehouse, 2), return_exceptions=True
        )
        fake.gate.set()

        assert [type(found) for found in both] == [WarehouseUnreachableError] * 2
        await insert(warehouse, 3)


async def test_a_call_that_is_cancelled_leaves_no_half_read_answer_behind():
    fake = FakeClickHouse()
    fake.gate.clear()
    async with client_of(fake, max_connections=1) as warehouse:
        given_up = asyncio.create_task(insert(warehouse, 1))
        await fake.reached(lambda: fake.waiting == 1)
        given_up.cancel()
        await asyncio.wait({given_up}, timeout=DEADLINE_S)
        fake.gate.set()

        await insert(warehouse, 2)

    assert given_up.cancelled()
    assert fake.connections == 2


async def test_closing_the_warehouse_closes_its_connections():
    fake = FakeClickHouse()
    async with fake.listen() as port:
        async with open_warehouse(section(port)) as warehouse:
            await insert(warehouse, 1)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:  # the server's side notices
            _, late = await asyncio.wait(others, timeout=DEADLINE_S)
            assert not late
