"""The warehouse's tables as numbered files, rendered for both modes.

The renderings are pinned in `golden/ddl-embedded.sql` and `golden/ddl-cluster.sql`. After a
change that is meant, `python tests/unit/ugc_core/test_migrations.py` writes them anew; read
the difference before you commit it.
"""

import re
from pathlib import Path

import pytest

from ugc_core.migrations import Migration, local_suffix, migrations, render
from ugc_core.urls import WarehouseTarget

GOLDEN = Path(__file__).parent / "golden"
EMBEDDED = WarehouseTarget(host="localhost", port=9000, database="movies")
CLUSTER = WarehouseTarget(host="localhost", port=9000, database="movies", cluster="company_cluster")
MODES = {"embedded": EMBEDDED, "cluster": CLUSTER}

TABLES = ["schema_migrations", "views_raw", "playback", "resume_points", "ingested", "erasures"]
"""Every table; on a cluster each is a local one and a distributed one."""


def statements(target: WarehouseTarget, *, views_ttl_days: int = 0) -> list[str]:
    return [
        statement
        for migration in migrations()
        for statement in render(migration.text, target, views_ttl_days=views_ttl_days)
    ]


def pinned(target: WarehouseTarget) -> str:
    parts = [
        f"-- {migration.number:04d}_{migration.name}\n\n"
        + "".join(f"{statement};\n\n" for statement in render(migration.text, target))
        for migration in migrations()
    ]
    return "".join(parts)


def starting(target: WarehouseTarget, words: str) -> list[str]:
    return [found for found in statements(target) if found.startswith(words)]


def subject(statement: str) -> str:
    """Return the name of what a statement creates."""
    found = re.match(r"CREATE (?:\w+ )+IF NOT EXISTS (?:movies\.)?(\w+)", statement)
    assert found, statement
    return found[1]


# --- the files


@pytest.mark.parametrize("mode", MODES)
def test_the_rendering_is_the_one_that_is_pinned(mode):
    golden = GOLDEN / f"ddl-{mode}.sql"

    assert pinned(MODES[mode]) == golden.read_text("utf-8"), f"see {__file__}"


def test_migrations_are_numbered_from_zero_without_a_gap():
    assert [migration.number for migration in migrations()] == list(range(len(migrations())))


def test_a_checksum_is_that_of_the_text():
    one = Migration(1, "name", "SELECT 1;\n")

    assert one.checksum == Migration(2, "other", "SELECT 1;\n").checksum
    assert one.checksum != Migration(1, "name", "SELECT 2;\n").checksum
    assert re.fullmatch(r"[0-9a-f]{64}", one.checksum)


@pytest.mark.parametrize("target", MODES.values(), ids=MODES)
def test_every_statement_may_be_repeated(target):
    assert all("IF NOT EXISTS" in found.split("\n")[0] for found in statements(target))


@pytest.mark.parametrize("target", MODES.values(), ids=MODES)
def test_nothing_is_left_to_fill_in(target):
    for found in statements(target, views_ttl_days=30):
        assert "$" not in found
        assert "--" not in found
        assert not found.endswith(";")


# --- one server


def test_on_one_server_nothing_speaks_of_a_cluster():
    whole = "\n".join(statements(EMBEDDED))

    assert not re.search(r"ON CLUSTER|Replicated|Distributed|_local|\{shard\}", whole)


def test_on_one_server_every_table_is_there_once():
    assert [subject(found) for found in starting(EMBEDDED, "CREATE TABLE")] == TABLES


def test_on_one_server_every_table_survives_a_power_cut_and_knows_its_tokens():
    for found in starting(EMBEDDED, "CREATE TABLE"):
        for setting in (
            "fsync_after_insert = 1",
            "fsync_part_directory = 1",
            "min_rows_to_fsync_after_merge = 1",
            "non_replicated_deduplication_window = 10000",
        ):
            assert setting in found, subject(found)


# --- a cluster


def test_on_a_cluster_every_statement_runs_on_all_of_it():
    for found in statements(CLUSTER):
        assert " ON CLUSTER company_cluster" in found.split("\n")[0], found


def test_on_a_cluster_every_table_is_a_replicated_one_and_a_distributed_one_over_it():
    tables = {subject(found): found for found in starting(CLUSTER, "CREATE TABLE")}

    assert [*tables] == [name for table in TABLES for name in (f"{table}_local", table)]
    for table in TABLES:
        local, whole = tables[f"{table}_local"], tables[table]
        path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
        assert re.search(rf"ENGINE = Replicated\w+MergeTree\({re.escape(path)}", local)
        assert f" AS movies.{table}_local\n" in whole
        assert f"ENGINE = Distributed(company_cluster, movies, {table}_local, " in whole


@pytest.mark.parametrize("table", ["views_raw", "playback", "resume_points", "erasures"])
def test_on_a_cluster_a_user_lives_on_the_shard_that_her_partition_feeds(table):
    [whole] = [found for found in starting(CLUSTER, "CREATE TABLE") if subject(found) == table]

    assert f"{table}_local, kafkaMurmurHash(toString(user_id)))" in whole


def test_on_a_cluster_derived_tables_are_filled_on_the_node_that_has_the_rows():
    views = starting(CLUSTER, "CREATE MATERIALIZED VIEW")

    assert [subject(found) for found in views] == ["playback_mv_local", "resume_points_mv_local"]
    for found in views:
        assert re.search(r"\nTO movies\.\w+_local AS\n", found)
        assert "FROM movies.views_raw_local" in found


def test_on_a_cluster_tokens_are_known_for_a_day():
    for found in starting(CLUSTER, "CREATE TABLE"):
        if "Distributed" not in found:
            assert "replicated_deduplication_window = 10000" in found
            assert "replicated_deduplication_window_seconds = 86400" in found


# --- both


@pytest.mark.parametrize("target", MODES.values(), ids=MODES)
def test_raw_reports_stay_for_ever_unless_a_setting_says_otherwise(target):
    ttl = "TTL toDateTime(event_time) + INTERVAL 90 DAY"

    assert not any("TTL" in found for found in statements(target))
    limited = [found for found in statements(target, views_ttl_days=90) if ttl in found]
    assert [subject(found) for found in limited] == [f"views_raw{local_suffix(target)}"]


@pytest.mark.parametrize("target", MODES.values(), ids=MODES)
def test_derived_tables_hold_idempotent_aggregates_alone_and_have_the_user_in_their_key(target):
    for table in ("playback", "resume_points"):
        [found] = [
            each
            for each in starting(target, "CREATE TABLE")
            if subject(each) == f"{table}{local_suffix(target)}"
        ]
        aggregates = re.findall(r"AggregateFunction\((\w+)", found)
        assert {*aggregates} <= {"groupBitmap", "min", "max", "argMax"}
        key = re.search(r"ORDER BY \((.*)\)", found)
        assert key
        assert "user_id" in key[1]


@pytest.mark.parametrize("target", MODES.values(), ids=MODES)
def test_what_may_differ_between_two_copies_of_a_report_enters_no_key_and_no_partition(target):
    for found in statements(target):
        for clause in re.findall(r"(?:ORDER BY|PARTITION BY) .*", found):
            assert not re.search(r"received_at|stored_at|log_|version", clause)


def test_a_comment_is_no_statement_and_a_semicolon_inside_a_line_ends_none():
    text = "-- why\nSELECT ';',\n-- more\n  1;\n\n-- the end\n"

    assert render(text, EMBEDDED) == ["SELECT ';',\n  1"]


def test_what_is_for_clusters_only_follows_its_line():
    text = "SELECT 1;\n\n-- cluster only\nSELECT 2;\n"

    assert render(text, EMBEDDED) == ["SELECT 1"]
    assert render(text, CLUSTER) == ["SELECT 1", "SELECT 2"]


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, mode_target in MODES.items():
        (GOLDEN / f"ddl-{name}.sql").write_text(pinned(mode_target), "utf-8")
