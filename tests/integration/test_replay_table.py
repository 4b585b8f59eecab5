"""The replaced system's table, taken over by the log and from there into the real engine."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from tests.integration.replayed import NOW_MS, System
from ugc_cli import table_replaying
from ugc_cli.file_replaying import FileOptions, FileOutcome
from ugc_core.bootstrap import open_warehouse
from ugc_core.clock import SystemClock
from ugc_core.errors import SchemaMismatchError
from ugc_core.settings import WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_etl.replay.file_errors import ChangedFileError, StrictReplayError
from ugc_etl.replay.table_rows import TableMark, TableRows, source_of

HOUR_S = 3600
TYPES = {
    "as it was": ("UUID", "UUID", "UInt16", "UInt16", "DateTime"),
    "another zone": ("UUID", "UUID", "UInt32", "UInt32", "DateTime('Asia/Tokyo')"),
    "texts": ("String", "String", "Float64", "Float64", "String"),
    "finer times": ("UUID", "UUID", "Nullable(UInt16)", "UInt16", "Nullable(DateTime64(6, 'UTC'))"),
}


@pytest.fixture
def system(fresh_database: WarehouseSection, tmp_path: Path) -> System:
    made = System(folder=tmp_path, warehouse=fresh_database, max_rows=1000)
    made.settings = replace(made.settings, data_dir=tmp_path / "data")
    asyncio.run(made.make_topics())
    return made


@pytest.fixture
def old(system: System) -> str:
    """The name of the replaced system's table."""
    return f"{warehouse_target(system.warehouse.url).database}.old_views"


async def make(system: System, old: str, types=TYPES["as it was"]) -> None:
    columns = zip(("film_id", "user_id", "progress", "total", "created_at"), types, strict=True)
    named = ", ".join(f"{name} {kind}" for name, kind in columns)
    await system.execute(f"CREATE TABLE {old} ({named}) ENGINE = MergeTree ORDER BY tuple()")


async def fill(system: System, old: str, many: int) -> None:
    """Insert so many different rows, spread over a few days."""
    await system.execute(
        f"INSERT INTO {old} SELECT toUUID('00000000-0000-0000-0000-00000000000'"
        " || toString(number % 7 + 1)), toUUID('00000000-0000-0000-0000-00000000000'"
        f" || toString(number % 5 + 1)), number % 5000, 5400, {NOW_MS // 1000} - 9000000"
        f" + number * 701 FROM numbers({many})"
    )


async def send(system: System, old: str, **options: Any) -> FileOutcome:
    return await table_replaying.replay_table(
        system.settings, FileOptions(files=(), table=old, **options), clock=SystemClock()
    )


async def views(system: System) -> int:
    [(found,)] = await system.select("SELECT count() FROM views")
    return int(found)


async def test_every_row_comes_once_and_the_table_is_left_alone(system: System, old: str):
    await make(system, old)
    await fill(system, old, 3000)
    await system.execute(f"INSERT INTO {old} SELECT * FROM {old} LIMIT 100")

    counted = await send(system, old, dry_run=True)
    first = await send(system, old)
    await send(system, old)
    await system.ingest()

    assert counted.tally == first.tally
    assert (first.tally.lines, first.tally.legacy, first.tally.refused) == (3100, 3100, 0)
    assert await views(system) == 3000
    assert await system.select(f"SELECT count() FROM {old}") == [(3100,)]
    assert await system.letters() == []
    same = (
        f"SELECT count() FROM (SELECT DISTINCT * FROM {old}) AS old JOIN views ON"
        " old.film_id = views.film_id AND old.user_id = views.user_id"
        " AND old.progress * 1000 = views.progress_ms AND old.total * 1000 = views.total_ms"
        " AND toInt64(toUnixTimestamp(old.created_at)) * 1000"
        " = toUnixTimestamp64Milli(views.event_time)"
    )
    assert await system.select(same) == [(3000,)]


@pytest.mark.parametrize("types", TYPES.values(), ids=TYPES.keys())
async def test_a_row_is_the_same_report_as_its_record_in_the_log(
    system: System, old: str, types: tuple[str, ...]
):
    await make(system, old, types)
    await system.execute(
        f"INSERT INTO {old} VALUES ('{UUID(int=7)}', '{UUID(int=1)}', 60, 5400,"
        f" {repr('2023-05-01T10:00:00') if types[4] == 'String' else '1682935200'})"
    )
    record = {
        "film_id": str(UUID(int=7)),
        "user_id": str(UUID(int=1)),
        "progress": 60,
        "total": 5400,
        "created_at": "2023-05-01T10:00:00",
    }
    await system.append(UUID(int=1), msgspec.json.encode(record), headers=())

    outcome = await send(system, old)
    await system.ingest()

    assert (outcome.tally.accepted, outcome.tally.refused) == (1, 0)
    assert await views(system) == 1


async def test_an_interrupted_one_goes_on_and_rows_that_came_before_are_not_sent_again(
    system: System, old: str, tmp_path: Path
):
    await make(system, old)
    await fill(system, old, 1000)
    state = tmp_path / "state.json"
    mark = TableMark(table=f"{system.warehouse.url} {old}")
    async with open_warehouse(system.warehouse) as warehouse:
        target = warehouse_target(system.warehouse.url)
        rows = TableRows(warehouse=warehouse, target=target, name=old, rows_a_part=300)
        await rows.open()
        parts = [part async for part in rows.parts(mark)]
    [*_, (_, at)] = parts[0].windows(100)
    state.write_bytes(msgspec.json.encode(at))

    outcome = await send(system, old, state=state, resume=True)

    assert sum(len(part.rows) for part in parts) == 1000
    assert len(parts) > 3
    assert outcome.tally.accepted == 1000 - at.rows
    assert not state.exists()
    with pytest.raises(ChangedFileError, match="nothing to resume"):
        await send(system, old, state=state, resume=True)
    state.write_bytes(msgspec.json.encode(replace(mark, table="elsewhere movies.views")))
    with pytest.raises(ChangedFileError, match="another table"):
        await send(system, old, state=state, resume=True)


async def test_rows_that_are_all_the_same_do_not_hold_it_up(system: System, old: str):
    await make(system, old)
    await system.execute(
        f"INSERT INTO {old} SELECT '{UUID(int=1)}', '{UUID(int=1)}', 1, 2, 1600000000"
        " FROM numbers(700)"
    )
    async with open_warehouse(system.warehouse) as warehouse:
        target = warehouse_target(system.warehouse.url)
        rows = TableRows(warehouse=warehouse, target=target, name=old, rows_a_part=100)
        assert await rows.open() == 700
        parts = [part async for part in rows.parts(TableMark(table=old))]

    assert sum(len(part.rows) for part in parts) == 700


async def test_rows_that_are_no_reports_are_named_and_the_others_sent(system: System, old: str):
    await make(system, old, ("String", "String", "Int32", "Int32", "Nullable(DateTime)"))
    good = f"('{UUID(int=1)}', '{UUID(int=1)}', 1, 5400, 1600000000)"
    await system.execute(
        f"INSERT INTO {old} VALUES {good}, ('nobody', '{UUID(int=1)}', 1, 5400, 1600000001),"
        f" ('{UUID(int=1)}', '{UUID(int=1)}', -1, 5400, 1600000002),"
        f" ('{UUID(int=1)}', '{UUID(int=1)}', 1, 5400, NULL)"
    )

    with pytest.raises(StrictReplayError, match="3 lines are no reports"):
        await send(system, old, strict=True)
    outcome = await send(system, old)
    await system.ingest()

    assert (outcome.tally.lines, outcome.tally.accepted, outcome.tally.refused) == (4, 1, 3)
    assert {line.file for line in outcome.tally.listed} == {old}
    assert await views(system) == 1


async def test_users_that_are_erased_stay_out(system: System, old: str):
    await make(system, old)
    await fill(system, old, 100)
    await system.forget(1, requested_ms=NOW_MS + 1)
    await system.ingest()

    outcome = await send(system, old)
    await system.ingest()

    assert (outcome.tally.erased, outcome.tally.accepted) == (20, 80)
    assert await views(system) == 80


@pytest.mark.parametrize("name", ["nowhere.views", "views", "a.b.c", "movies.views; DROP"])
async def test_what_is_no_such_table_is_refused_with_the_reason(system: System, name: str):
    with pytest.raises(SchemaMismatchError, match=r"no such table|no table"):
        await send(system, name)


async def test_another_systems_table_is_refused_and_named(system: System, old: str):
    with pytest.raises(SchemaMismatchError, match=r"lacks progress, total, created_at"):
        await send(system, old.replace("old_views", "views"))


@pytest.mark.parametrize(
    ("engine", "cluster", "source"),
    [
        ("MergeTree", None, "movies.views"),
        ("Distributed", "company", "movies.views"),
        ("ReplicatedMergeTree", "company", "cluster(company, movies, views)"),
        ("MergeTree", "company", "clusterAllReplicas(company, movies, views)"),
    ],
)
def test_on_a_cluster_every_node_that_may_have_rows_is_asked(
    engine: str, cluster: str | None, source: str
):
    assert source_of("movies.views", engine, cluster) == source
