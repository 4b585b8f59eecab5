"""The warehouse's tables on a real engine: planned, made, found again, never overwritten."""

import re

import pytest

from ugc_core import warehouse_schema
from ugc_core.bootstrap import open_warehouse
from ugc_core.errors import SchemaMismatchError
from ugc_core.migrations import Migration, migrations, render
from ugc_core.settings import WarehouseSection
from ugc_core.urls import WarehouseTarget, warehouse_target
from ugc_core.warehouse import ShardedWarehouse

TABLES = {"schema_migrations", "views_raw", "playback", "resume_points", "ingested", "erasures"}
VIEWS = {"views", "playback_mv", "resume_points_mv"}


class World:
    """A database, and the calls that a test makes on it."""

    def __init__(self, warehouse: ShardedWarehouse, target: WarehouseTarget) -> None:
        self.warehouse = warehouse
        self.target = target

    async def pending(self) -> list[int]:
        return [m.number for m in await warehouse_schema.pending(self.warehouse, self.target)]

    async def apply(self, *todo: Migration, views_ttl_days: int = 0) -> None:
        await warehouse_schema.apply(
            self.warehouse, self.target, todo, views_ttl_days=views_ttl_days
        )

    async def require(self) -> None:
        await warehouse_schema.require(self.warehouse, self.target)

    async def execute(self, sql: str) -> None:
        await self.warehouse.execute(sql.format(database=self.target.database))

    async def tables(self) -> dict[str, str]:
        """Return what there is, with the statement that would make it."""
        found = await self.warehouse.read(
            "SELECT name, create_table_query FROM system.tables WHERE database = {name:String}"
            " AND NOT startsWith(name, '.')",
            {"name": self.target.database},
        )
        return {str(name): str(query) for name, query in found.rows}


def database(section: WarehouseSection):
    """Open a database that may not exist yet."""
    return open_warehouse(section, database="default")


def world(warehouse: ShardedWarehouse, section: WarehouseSection) -> World:
    return World(warehouse, warehouse_target(section.url))


# --- from nothing to everything


async def test_an_empty_warehouse_lacks_everything_and_planning_changes_nothing(empty_database):
    async with database(empty_database) as warehouse:
        empty = world(warehouse, empty_database)

        assert await empty.pending() == [m.number for m in migrations()]
        assert await empty.pending() == [m.number for m in migrations()]
        assert await empty.tables() == {}


async def test_once_applied_there_is_nothing_left_to_do(fresh_database):
    async with database(fresh_database) as warehouse:
        full = world(warehouse, fresh_database)

        assert await full.pending() == []
        await full.require()
        assert {*await full.tables()} == TABLES | VIEWS


async def test_applying_everything_again_changes_nothing(fresh_database):
    async with database(fresh_database) as warehouse:
        full = world(warehouse, fresh_database)
        before = await full.tables()

        await full.apply(*migrations())

        assert await full.tables() == before
        assert await full.pending() == []


@pytest.mark.parametrize("done", [1, 3, 5])
async def test_an_interrupted_migration_is_finished_by_the_next_run(empty_database, done):
    async with database(empty_database) as warehouse:
        half = world(warehouse, empty_database)
        await half.apply(*migrations()[:done])
        [statement, *_] = render(migrations()[done].text, half.target)
        await warehouse.execute(statement)  # and not noted

        assert await half.pending() == [m.number for m in migrations()[done:]]
        await half.apply(*migrations()[done:])

        assert await half.pending() == []
        assert {*await half.tables()} == TABLES | VIEWS


async def test_what_lacks_is_named_together_with_the_way_out(empty_database):
    async with database(empty_database) as warehouse:
        half = world(warehouse, empty_database)
        await half.apply(*migrations()[:-2])

        with pytest.raises(SchemaMismatchError) as lacking:
            await half.require()

    text = str(lacking.value)
    assert "0005_ingested, 0006_erasures; run `ugc init`" in text
    assert "0001" not in text


# --- what is not ours


async def test_a_migration_that_was_applied_in_another_form_is_refused(fresh_database):
    async with database(fresh_database) as warehouse:
        full = world(warehouse, fresh_database)
        changed = migrations()[1]._replace(text="-- another form of it\n")
        await full.apply(changed)

        with pytest.raises(SchemaMismatchError, match=r"0001_views_raw.* in another form"):
            await full.pending()
        with pytest.raises(SchemaMismatchError):
            await full.require()


async def test_a_table_of_the_replaced_system_is_recognised_and_left_alone(bare_database):
    async with database(bare_database) as warehouse:
        old = world(warehouse, bare_database)
        await old.execute(
            "CREATE TABLE {database}.views (film_id String, progress UInt16)"
            " ENGINE = MergeTree ORDER BY film_id"
        )
        await old.execute("INSERT INTO {database}.views VALUES ('film', 7)")
        before = await old.tables()

        with pytest.raises(SchemaMismatchError, match=r"\.views is a table \(MergeTree\), not our"):
            await old.pending()
        with pytest.raises(SchemaMismatchError):
            await old.require()

        assert await old.tables() == before
        rows = (await warehouse.read(f"SELECT * FROM {old.target.database}.views")).rows
        assert rows == [("film", 7)]


async def test_two_databases_of_one_server_do_not_know_each_other(fresh_database):
    other = WarehouseSection(url=fresh_database.url + "_other")
    async with database(other) as warehouse:
        assert await world(warehouse, other).pending() == [m.number for m in migrations()]


# --- what was made


async def test_every_table_is_made_to_survive_a_power_cut_and_to_know_its_tokens(fresh_database):
    async with database(fresh_database) as warehouse:
        made = await world(warehouse, fresh_database).tables()

    for table in TABLES:
        for setting in (
            "fsync_after_insert = 1",
            "fsync_part_directory = 1",
            "min_rows_to_fsync_after_merge = 1",
            "non_replicated_deduplication_window = 10000",
        ):
            assert setting in made[table], table


async def test_raw_reports_go_only_if_a_setting_says_when(empty_database):
    async with database(empty_database) as warehouse:
        limited = world(warehouse, empty_database)
        await limited.apply(*migrations(), views_ttl_days=90)
        made = await limited.tables()

    assert re.search(r"TTL .*event_time\) \+ toIntervalDay\(90\)", made["views_raw"])
    assert not any("TTL" in made[table] for table in TABLES - {"views_raw"})


async def test_merging_across_months_is_what_the_engine_does_by_default(fresh_database):
    """`views` is exact only as long as FINAL merges across partitions."""
    async with database(fresh_database) as warehouse:
        answer = await warehouse.read(
            "SELECT getSetting('do_not_merge_across_partitions_select_final')"
        )

    assert answer.rows == [(False,)]


async def test_the_engine_understands_every_statement_for_a_cluster(warehouse_server):
    cluster = WarehouseTarget(
        host="localhost", port=9000, database="movies", cluster="company_cluster"
    )
    section = WarehouseSection(url=f"clickhouse://127.0.0.1:{warehouse_server}/default")
    async with open_warehouse(section) as warehouse:
        for migration in migrations():
            for statement in render(migration.text, cluster, views_ttl_days=90):
                answer = await warehouse.read(f"EXPLAIN AST {statement}")
                assert "Create" in str(answer.rows[0])
