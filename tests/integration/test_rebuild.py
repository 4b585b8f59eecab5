"""Derived tables built anew under traffic, in the real engine: every number stays exact."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.integration.replayed import System
from ugc_cli.rebuilding import rebuild
from ugc_core.clock import SystemClock
from ugc_core.settings import WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import Settings, ShardedWarehouse
from ugc_etl.replay.bootstrap import open_rebuild
from ugc_etl.replay.rebuild import LeftoverError, RawReportsGoError, Rebuild
from ugc_etl.replay.rebuild_sql import Building

FORGOTTEN = 2


@pytest.fixture
def system(fresh_database: WarehouseSection, tmp_path: Path) -> System:
    made = System(folder=tmp_path, warehouse=fresh_database)
    asyncio.run(made.make_topics())
    return made


class HeldWarehouse:
    """The real warehouse, which tells of every statement once it is done."""

    def __init__(self, warehouse: ShardedWarehouse, after: Callable[[str], Awaitable[None]]):
        self._warehouse = warehouse
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    async def execute_on_shards(self, sql: str, *, settings: Settings | None = None) -> None:
        await self._warehouse.execute_on_shards(sql, settings=settings)
        await self._after(sql)

    async def define(self, sql: str) -> None:
        await self._warehouse.define(sql)
        await self._after(sql)


@asynccontextmanager
async def rebuilding(system: System, *, rows_a_share: int) -> AsyncIterator[Rebuild]:
    """Open a rebuild that reads so many reports at a time."""
    async with open_rebuild(system.settings, clock=SystemClock(), told=lambda _: None) as opened:
        opened.rows_a_share = rows_a_share
        yield opened


async def tables(system: System) -> set[str]:
    rows = await system.select("SELECT name FROM system.tables WHERE database = currentDatabase()")
    return {name for (name,) in rows}


async def test_what_was_wrong_is_right_and_nothing_is_left_behind(system: System):
    await system.accept(60)
    await system.ingest()
    before = await tables(system)
    await system.execute(
        "ALTER TABLE playback DELETE WHERE 1",
        "INSERT INTO resume_points SELECT user_id, profile_id, toUUID("
        "'00000000-0000-0000-0000-000000000009'), point FROM resume_points",
    )

    outcome = await rebuild(system.settings, dry_run=False, yes=False, clock=SystemClock())

    assert outcome.finished
    assert outcome.facts.rows_before["playback"] == 0
    assert outcome.facts.rows_after["playback"] > 0
    assert await tables(system) == before
    assert await system.select(
        "SELECT count() FROM resume_points WHERE film_id ="
        " toUUID('00000000-0000-0000-0000-000000000009')"
    ) == [(0,)]
    await system.assert_exact()
    await system.accept(10)  # the views in use go on feeding the tables in use
    await system.ingest()
    await system.assert_exact()
    await system.assert_verified()


async def test_a_dry_run_changes_nothing(system: System):
    await system.accept(5)
    await system.ingest()
    uuids = (
        "SELECT uuid FROM system.tables WHERE name = 'playback' AND database = currentDatabase()"
    )
    before = await system.select(uuids)

    outcome = await rebuild(system.settings, dry_run=True, yes=False, clock=SystemClock())

    assert (outcome.finished, outcome.facts.reports) == (False, 5)
    assert await system.select(uuids) == before


async def test_every_number_is_exact_during_and_after_with_traffic(system: System):
    await system.accept(60)
    await system.ingest()
    looks = 0
    done = asyncio.Event()

    async def traffic() -> None:
        """Send, wait for the pipeline, and hold every number against the journal."""
        nonlocal looks
        while not done.is_set() or looks < 3:
            await system.accept(7)
            await system.caught_up()
            await system.assert_exact()
            looks += 1

    async with system.pipeline(), rebuilding(system, rows_a_share=8) as building:
        running = asyncio.create_task(traffic())
        for _ in range(2):
            assert await building.execute(asyncio.Event())
            building.run += "b"
        done.set()
        await running

    assert looks >= 3
    await system.assert_exact()
    await system.assert_verified()


async def test_a_stopped_rebuild_leaves_the_tables_in_use_as_they_were(system: System):
    await system.accept(30)
    await system.ingest()
    before = await tables(system)
    stop = asyncio.Event()

    async with rebuilding(system, rows_a_share=8) as building:
        building.told = lambda facts: stop.set() if facts.done == 3 else None
        assert not await building.execute(stop)

    assert await tables(system) == before
    await system.assert_exact()


async def test_what_a_killed_rebuild_has_left_is_named_and_dropped_only_when_told(system: System):
    await system.accept(9)
    await system.ingest()
    target = warehouse_target(system.warehouse.url)
    await system.execute(*Building(table="playback", run="x", target=target).create)
    await system.accept(9)
    await system.ingest()

    with pytest.raises(LeftoverError, match=r"playback__new_x.*--yes"):
        await rebuild(system.settings, dry_run=False, yes=False, clock=SystemClock())
    outcome = await rebuild(system.settings, dry_run=False, yes=True, clock=SystemClock())

    assert outcome.finished
    assert not [name for name in await tables(system) if "__new" in name]
    await system.assert_exact()


async def test_where_raw_reports_go_after_a_time_nothing_is_built_from_them(system: System):
    await system.execute(
        "ALTER TABLE views_raw MODIFY TTL toDateTime(event_time) + INTERVAL 3000 DAY"
    )

    with pytest.raises(RawReportsGoError, match="only they know"):
        await rebuild(system.settings, dry_run=False, yes=False, clock=SystemClock())


async def test_a_user_erased_in_the_middle_stays_erased_and_keeps_what_came_later(system: System):
    await system.accept(40)
    await system.ingest()
    user = UUID(int=FORGOTTEN)

    async with system.pipeline(), rebuilding(system, rows_a_share=8) as building:
        erased = asyncio.Event()

        async def forget() -> None:
            await system.forget(FORGOTTEN)
            await system.accept(8)
            await system.caught_up()
            erased.set()

        tasks: list[asyncio.Task[None]] = []

        async def after(sql: str) -> None:
            """Let the erasure come between two parts, when some of the user is copied."""
            if not tasks and "INSERT" in sql:
                tasks.append(asyncio.create_task(forget()))
                await erased.wait()

        building.warehouse = HeldWarehouse(building.warehouse, after)
        assert await building.execute(asyncio.Event())
        await tasks[0]

    system.accepted[:] = [
        event
        for number, event in enumerate(system.accepted)
        if event.user_id != user or number >= 40
    ]
    assert building.facts.users_erased == 1
    await system.assert_exact()


async def test_a_report_that_comes_just_before_the_exchange_is_there_just_after_it(
    system: System,
):
    await system.accept(20)
    await system.ingest()
    exchanged = 0

    async with system.pipeline(), rebuilding(system, rows_a_share=100) as building:

        async def after(sql: str) -> None:
            nonlocal exchanged
            if "INSERT INTO" in sql and "stored_at >=" in sql and not exchanged:
                await system.accept(3)  # nothing is repeated between this and the exchange
                await system.caught_up()
            if sql.startswith("EXCHANGE"):
                exchanged += 1
                await system.assert_exact()

        building.warehouse = HeldWarehouse(building.warehouse, after)
        assert await building.execute(asyncio.Event())

    assert exchanged == 2


async def test_an_insert_that_was_under_way_when_the_views_were_made_is_not_missed(
    system: System,
):
    [base] = await system.accept(1)
    await system.ingest()
    other = replace(base, event_id=UUID(int=base.event_id.int + 1), user_id=UUID(int=9))
    slow = (
        f"INSERT INTO views_raw SELECT * REPLACE (toUUID('{other.event_id}') AS event_id,"
        f" toUUID('{other.user_id}') AS user_id, toUUID('{other.user_id}') AS profile_id)"
        " FROM views_raw WHERE sleepEachRow(2) = 0"
    )
    running = "SELECT count() FROM system.processes WHERE query_kind = 'Insert'"

    inserting = asyncio.create_task(system.execute(slow))
    async with asyncio.timeout(60):
        while await system.select(running) == [(0,)]:
            await SystemClock().sleep(0.02)
    outcome = await rebuild(system.settings, dry_run=False, yes=False, clock=SystemClock())
    await inserting

    assert outcome.finished
    system.accepted.append(other)
    await system.assert_exact()


async def test_a_user_erased_during_the_exchange_is_taken_out_after_it(system: System):
    await system.accept(20)
    await system.ingest()
    exchanged = 0

    async with system.pipeline(), rebuilding(system, rows_a_share=100) as building:

        async def after(sql: str) -> None:
            """Erase between two exchanges: it meets one new table and one old one."""
            nonlocal exchanged
            if sql.startswith("EXCHANGE"):
                exchanged += 1
            if sql.startswith("EXCHANGE") and exchanged == 1:
                await system.forget(FORGOTTEN)
                await system.caught_up()

        building.warehouse = HeldWarehouse(building.warehouse, after)
        assert await building.execute(asyncio.Event())

    assert building.facts.users_erased == 1
    await system.assert_exact(
        [event for event in system.accepted if event.user_id != UUID(int=FORGOTTEN)]
    )
