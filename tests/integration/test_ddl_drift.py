"""Tables that are not as the migrations have them: mended, or refused with the reason."""

import asyncio

import pytest

from tests.conftest import MakeEvent
from ugc_cli import setup
from ugc_core import warehouse_schema
from ugc_core.bootstrap import open_warehouse
from ugc_core.errors import ConfigError, SchemaMismatchError
from ugc_core.migrations import Migration, migrations
from ugc_core.settings import LogSection, Settings, WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import ShardedWarehouse
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.rows import Rows, Source

NEW_COLUMN = Migration(
    number=len(migrations()),
    name="quality",
    text="""\
ALTER TABLE ${database}.views_raw${local}${on_cluster}
ADD COLUMN IF NOT EXISTS quality LowCardinality(String) DEFAULT '' AFTER device;

-- cluster only
ALTER TABLE ${database}.views_raw${on_cluster}
ADD COLUMN IF NOT EXISTS quality LowCardinality(String) DEFAULT '' AFTER device;

-- everywhere
CREATE OR REPLACE VIEW ${database}.views${on_cluster} AS
SELECT event_id, nullIf(quality, '') AS quality FROM ${database}.views_raw FINAL;
""",
)


async def execute(section: WarehouseSection, *statements: str) -> None:
    async with open_warehouse(section) as warehouse:
        for statement in statements:
            await warehouse.execute(statement)


async def select(section: WarehouseSection, sql: str) -> list[tuple[object, ...]]:
    async with open_warehouse(section) as warehouse:
        return [*(await warehouse.read(sql)).rows]


def settings_of(section: WarehouseSection, tmp_path, *, partitions: int = 4) -> Settings:
    log = LogSection(url=f"sqlite:///{tmp_path}/log.db", partitions=partitions)
    return Settings(log=log, warehouse=section)


async def steps(settings: Settings) -> list[str]:
    return [step.summary for step in await setup.plan(settings) if step.where == "warehouse"]


async def insert(warehouse: ShardedWarehouse, section: WarehouseSection, make_event: MakeEvent):
    event = make_event()
    rows = Rows(0, [event], [Source(offset=0, line=0, payload=b"{}")])
    await ClickHouseStore(warehouse, warehouse_target(section.url)).insert(rows, token="")
    return event.event_id


# --- mended


async def test_a_missing_column_is_shown_added_in_its_place_and_then_there_is_nothing_to_do(
    fresh_database, tmp_path
):
    settings = settings_of(fresh_database, tmp_path)
    await setup.apply(settings)
    await execute(
        fresh_database,
        "DROP VIEW views",
        "ALTER TABLE views_raw DROP COLUMN extra",
    )

    planned = await steps(settings)
    await setup.apply(settings)

    database = warehouse_target(fresh_database.url).database
    assert [step.split(": ")[0] for step in planned] == [
        f"column {database}.views_raw.extra is missing",
        f"view {database}.views is missing",
    ]
    assert await steps(settings) == []
    names = await select(
        fresh_database,
        "SELECT name FROM system.columns WHERE table = 'views_raw'"
        " AND database = currentDatabase() ORDER BY position",
    )
    assert names.index(("extra",)) == names.index(("device",)) + 1
    await select(fresh_database, "SELECT extra FROM views")


async def test_a_table_that_somebody_dropped_is_made_again(fresh_database, tmp_path):
    settings = settings_of(fresh_database, tmp_path)
    await setup.apply(settings)
    await execute(fresh_database, "DROP TABLE resume_points_mv", "DROP TABLE resume_points")

    assert len(await steps(settings)) == 2
    await setup.apply(settings)

    assert await steps(settings) == []
    assert await select(fresh_database, "SELECT count() FROM resume_points") == [(0,)]


async def test_planning_changes_nothing(fresh_database, tmp_path):
    settings = settings_of(fresh_database, tmp_path)
    await execute(fresh_database, "DROP VIEW views")

    assert await steps(settings) == await steps(settings) != []


# --- refused


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            "ALTER TABLE views_raw MODIFY COLUMN seq Nullable(UInt64)",
            r"seq is Nullable\(UInt64\): it should be .* MODIFY COLUMN seq Nullable\(UInt32\)",
        ),
        (
            "CREATE OR REPLACE TABLE ingested (topic String) ENGINE = MergeTree ORDER BY topic",
            r"ingested is MergeTree ordered by \(topic\): it should be ReplacingMergeTree",
        ),
    ],
)
async def test_what_would_rewrite_rows_is_refused_with_the_next_step_and_nothing_is_changed(
    fresh_database, tmp_path, change, reason
):
    settings = settings_of(fresh_database, tmp_path)
    await execute(fresh_database, change, "DROP VIEW views")

    assert any("REFUSED" in step for step in await steps(settings))
    with pytest.raises(SchemaMismatchError, match=reason):
        await setup.apply(settings)

    assert "log" in [step.where for step in await setup.plan(settings)]  # not even the topics
    assert await select(fresh_database, "EXISTS VIEW views") == [(0,)]


async def test_the_pipeline_does_not_start_on_tables_that_differ(fresh_database):
    await execute(fresh_database, "ALTER TABLE ingested DROP COLUMN erased")
    target = warehouse_target(fresh_database.url)

    async with open_warehouse(fresh_database) as warehouse:
        with pytest.raises(
            SchemaMismatchError, match=r"ingested\.erased is missing; run `ugc init"
        ):
            await warehouse_schema.require(warehouse, target)


async def test_the_replaced_systems_table_is_recognised_left_alone_and_offered_for_import(
    bare_database, tmp_path
):
    settings = settings_of(bare_database, tmp_path)
    await execute(
        bare_database,
        "CREATE TABLE views (film_id UUID, user_id UUID, progress UInt16, total UInt16,"
        " created_at DateTime) ENGINE = MergeTree ORDER BY user_id",
        "INSERT INTO views SELECT generateUUIDv4(), generateUUIDv4(), 1, 2, now()",
    )

    [refused, *_] = [step for step in await steps(settings) if "REFUSED" in step]
    with pytest.raises(SchemaMismatchError, match="belongs to the replaced system"):
        await setup.apply(settings)

    database = warehouse_target(bare_database.url).database
    rename = f"RENAME TABLE {database}.views TO {database}.views_old"
    assert rename in refused
    assert f"ugc replay file --from-table {database}.views_old" in refused
    assert await select(bare_database, "SELECT count() FROM views") == [(1,)]

    await execute(bare_database, rename)
    await setup.apply(settings)

    assert await steps(settings) == []
    assert await select(bare_database, "SELECT count() FROM views_old") == [(1,)]
    assert await select(bare_database, "SELECT count() FROM views") == [(0,)]


async def test_on_a_cluster_that_is_none_the_settings_are_to_blame(fresh_database, tmp_path):
    section = WarehouseSection(url=f"{fresh_database.url}?cluster=company_cluster")

    with pytest.raises(ConfigError, match="no cluster 'company_cluster'"):
        await setup.plan(settings_of(section, tmp_path))


# --- while reports come in


async def test_adding_a_column_while_traffic_runs_costs_no_batch_and_no_field(
    fresh_database, make_event
):
    """A writer that does not know the column goes on; one that does, waits for `ugc init`."""
    target = warehouse_target(fresh_database.url)
    async with open_warehouse(fresh_database) as warehouse:
        sent = [await insert(warehouse, fresh_database, make_event)]
        altering = asyncio.create_task(
            warehouse_schema.apply(warehouse, target, [NEW_COLUMN], views_ttl_days=0)
        )
        while not altering.done() or len(sent) < 20:
            sent.append(await insert(warehouse, fresh_database, make_event))
        await altering

        columns = Rows(0, [make_event()], [Source(offset=1, line=0, payload=b"{}")]).columns()
        await warehouse.insert(
            "views_raw", {**columns, "quality": ["4k"]}, settings={"insert_deduplicate": 0}
        )

        found = (await warehouse.read("SELECT event_id, quality FROM views")).rows
        devices = await warehouse.read("SELECT count() FROM views_raw WHERE total_ms = 5400000")
    assert {event_id for event_id, quality in found if quality is None} == {*sent}
    assert [quality for _, quality in found if quality is not None] == ["4k"]
    assert devices.rows == [(len(sent) + 1,)]
