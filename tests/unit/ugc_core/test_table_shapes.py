"""What the migrations make, read from their SQL, and how a node may differ from it."""

from typing import Any

import pytest

from ugc_core.migrations import migrations, render
from ugc_core.table_shapes import Found, Shape, drift, shapes
from ugc_core.urls import WarehouseTarget

SINGLE = WarehouseTarget(host="localhost", port=9000, database="movies")
CLUSTER = WarehouseTarget(host="localhost", port=9000, database="movies", cluster="ours")

CREATE = """\
CREATE TABLE IF NOT EXISTS movies.things
(
    id UUID CODEC(ZSTD(1)),
    point AggregateFunction(argMax, Tuple(a UInt32, b UInt32),
        DateTime64(3, 'UTC')),
    made_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(made_at)
ORDER BY (id, made_at)"""
ADD = "ALTER TABLE movies.things ADD COLUMN IF NOT EXISTS note String DEFAULT '' AFTER id"


def made(target: WarehouseTarget) -> dict[str, Shape]:
    return shapes(
        statement
        for migration in migrations()
        for statement in render(migration.text, target, views_ttl_days=30)
    )


def as_found(shape: Shape, **changes: Any) -> Found:
    kinds = {name: kind for name, (kind, _) in shape.columns.items()}
    fields = {"engine": shape.engine, "key": shape.key, "columns": kinds}
    return Found(**(fields | changes))


def without(shape: Shape, column: str) -> Found:
    kinds = {name: kind for name, (kind, _) in shape.columns.items() if name != column}
    return as_found(shape, columns=kinds)


def test_types_engine_and_key_are_read_from_the_statement():
    [(name, shape)] = shapes([CREATE]).items()

    assert (name, shape.engine, shape.key) == ("things", "ReplacingMergeTree", "id, made_at")
    assert {column: kind for column, (kind, _) in shape.columns.items()} == {
        "id": "UUID",
        "point": "AggregateFunction(argMax, Tuple(a UInt32, b UInt32), DateTime64(3, 'UTC'))",
        "made_at": "DateTime64(3, 'UTC')",
    }
    assert shape.columns["made_at"][1] == "made_at DateTime64(3, 'UTC') DEFAULT now64(3)"


def test_a_column_that_a_later_migration_adds_belongs_to_the_table():
    assert shapes([CREATE, ADD])["things"].columns["note"] == ("String", "note String DEFAULT ''")


@pytest.mark.parametrize("target", [SINGLE, CLUSTER], ids=["single", "cluster"])
def test_every_statement_of_the_migrations_is_understood(target):
    found = made(target)

    for name, shape in found.items():
        assert shape.engine, name
        assert shape.columns or shape.engine.endswith("View"), name
    assert len(found) == (15 if target.cluster else 9)


def test_a_distributed_table_has_the_columns_of_the_table_below_it():
    found = made(CLUSTER)

    assert found["views_raw"].columns == found["views_raw_local"].columns
    assert found["views_raw"].engine == "Distributed"


def test_nodes_that_are_as_they_should_be_differ_in_nothing():
    wanted = made(CLUSTER)
    there = {name: as_found(shape) for name, shape in wanted.items()}

    assert drift(wanted, {"a": there, "b": there}, database="movies") == []


def test_what_is_of_no_concern_may_be_there():
    wanted = shapes([CREATE])
    more = as_found(
        wanted["things"],
        columns={kind: value for kind, (value, _) in wanted["things"].columns.items()}
        | {"theirs": "UInt8"},
    )

    assert drift(wanted, {"a": {"things": more, "others": more}}, database="movies") == []


def test_a_missing_table_is_made_by_its_own_statement():
    [found] = drift(shapes([CREATE]), {"a": {}}, database="movies")

    assert found.summary == "table movies.things is missing"
    assert found.mend == CREATE


def test_a_column_missing_on_one_node_is_added_everywhere_in_its_place():
    wanted = shapes([CREATE, ADD])
    nodes = {
        "a:1": {"things": as_found(wanted["things"])},
        "b:2": {"things": without(wanted["things"], "made_at")},
    }

    [found] = drift(wanted, nodes, database="movies", on_cluster=" ON CLUSTER ours")

    assert found.summary == "column movies.things.made_at is missing on b:2"
    assert found.mend == (
        "ALTER TABLE movies.things ON CLUSTER ours ADD COLUMN IF NOT EXISTS"
        " made_at DateTime64(3, 'UTC') DEFAULT now64(3) AFTER point"
    )


def test_a_local_table_gets_its_column_before_the_distributed_one_over_it():
    wanted = made(CLUSTER)
    there = {name: as_found(shape) for name, shape in wanted.items()}
    lacking = there | {
        name: without(wanted[name], "device") for name in ("views_raw", "views_raw_local")
    }

    found = drift(wanted, {"a": lacking}, database="movies", on_cluster=" ON CLUSTER ours")

    assert [one.mend.split()[2] for one in found] == ["movies.views_raw_local", "movies.views_raw"]


def test_a_column_of_another_type_is_refused_with_the_statement_that_would_change_it():
    wanted = shapes([CREATE])
    kinds = {name: kind for name, (kind, _) in wanted["things"].columns.items()}
    there = as_found(wanted["things"], columns=kinds | {"id": "String"})

    [found] = drift(wanted, {"a": {"things": there}}, database="movies")

    assert not found.mend
    assert "movies.things.id is String: it should be UUID" in found.summary
    assert "ALTER TABLE movies.things MODIFY COLUMN id UUID" in found.summary


@pytest.mark.parametrize("change", [{"engine": "MergeTree"}, {"key": "made_at"}])
def test_another_engine_or_order_is_refused_and_its_columns_are_not_looked_at(change):
    wanted = shapes([CREATE])
    there = as_found(wanted["things"], columns={}, **change)

    [found] = drift(wanted, {"a": {"things": there}}, database="movies")

    assert not found.mend
    assert "it should be ReplacingMergeTree ordered by (id, made_at)" in found.summary


def test_how_a_server_spaces_a_type_makes_no_difference():
    wanted = shapes([CREATE])
    kinds = {
        name: kind.replace(", ", ",\n    ") for name, (kind, _) in wanted["things"].columns.items()
    }
    there = as_found(wanted["things"], columns=kinds, key="id,made_at")

    assert drift(wanted, {"a": {"things": there}}, database="movies") == []
