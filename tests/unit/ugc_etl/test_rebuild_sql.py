"""The statements of a rebuild, for one server and for a cluster."""

import re

import pytest

from ugc_core.urls import WarehouseTarget
from ugc_etl.replay.rebuild_sql import DERIVED_TABLES, LEFTOVER, RECENT, Building

ONE = WarehouseTarget(host="h", port=9000, database="movies")
CLUSTER = WarehouseTarget(host="h", port=9000, database="movies", cluster="company")


@pytest.mark.parametrize("table", DERIVED_TABLES)
@pytest.mark.parametrize("target", [ONE, CLUSTER], ids=["one server", "a cluster"])
def test_the_view_reads_the_raw_reports_and_writes_to_the_new_table(
    table: str, target: WarehouseTarget
):
    building = Building(table=table, run="x", target=target)
    local = "_local" if target.cluster else ""
    everywhere = " ON CLUSTER company" if target.cluster else ""

    made, view = building.create

    assert made.startswith(f"CREATE TABLE movies.{table}__new_x{local}{everywhere} AS movies.")
    assert view.startswith(f"CREATE MATERIALIZED VIEW movies.{table}__new_x_mv{local}{everywhere}")
    assert re.search(rf"\bTO movies\.{table}__new_x{local} AS\n", view)
    assert re.search(rf"\bFROM movies\.views_raw{local}\b", view)
    assert not re.search(rf"\bmovies\.{table}(_local)?\b", view)


def test_on_a_cluster_replicas_have_a_path_of_the_new_tables_own_and_are_waited_for():
    building = Building(table="playback", run="x", target=CLUSTER)

    assert (
        "ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/"
        in (building.create[0])
    )
    assert building.exchange == (
        "EXCHANGE TABLES movies.playback_local AND movies.playback__new_x_local ON CLUSTER company"
    )
    assert building.synchronise == (
        "SYSTEM SYNC REPLICA ON CLUSTER company movies.playback__new_x_local"
    )
    assert Building(table="playback", run="x", target=ONE).synchronise is None


def test_a_part_is_what_the_view_says_of_it_read_on_each_node_itself():
    building = Building(table="resume_points", run="x", target=CLUSTER)

    sql = building.fill(RECENT, {"since": 5}, final=True, into=building.name)

    assert sql.startswith("INSERT INTO movies.resume_points__new_x_local SELECT")
    assert "FROM (SELECT * FROM movies.views_raw_local FINAL WHERE stored_at >=" in sql
    assert "'5'" in sql


@pytest.mark.parametrize("name", ["playback", "playback_mv", "playback_local", "views_raw"])
def test_tables_in_use_are_no_leftovers(name: str):
    assert not LEFTOVER.fullmatch(name)
    assert LEFTOVER.fullmatch("playback__new_x_mv_local")
