"""What the store writes to which shard; its tables are proved in tests/contract/test_store.py."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from ugc_core.errors import ConfigError, UgcError, WarehouseUnavailableError
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Answer, Column, Settings
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.erasures import ErasedUser
from ugc_etl.ports import LedgerEntry, Range
from ugc_etl.rows import Rows, Source

CLUSTER = WarehouseTarget(host="a", port=1, database="movies", cluster="ours")
SINGLE = WarehouseTarget(host="a", port=1, database="movies")
USER = UUID(int=1)
ERASURE = ErasedUser(user_id=USER, partition=5, offset=7, requested_ms=1000)
NAMES = ("user_id", "partition", "offset", "requested_ms", "done")


class FakeWarehouse:
    """Two shards that note, in order, what is done where.

    Attributes:
        calls: Shard, and the table or statement.
        settings: Of each insert.
        said: What each node answers.
    """

    def __init__(self, said: Mapping[str, Answer | UgcError] | None = None) -> None:
        self.calls: list[tuple[str, str]] = []
        self.settings: list[Settings] = []
        self.said = said or {}

    async def shards(self) -> int:
        return 2

    async def insert_for(
        self, partition: int, table: str, columns: Mapping[str, Column], *, settings: Settings
    ) -> None:
        self.calls.append((f"shard {partition % 2}", table))
        self.settings.append(settings)

    async def execute_on_shards(self, sql: str, *, settings: Settings | None = None) -> None:
        self.calls.append(("every shard", sql.split()[2]))

    async def read_each(self, sql: str) -> Mapping[str, Answer | UgcError]:
        return self.said


def store(warehouse: FakeWarehouse, target: WarehouseTarget = CLUSTER, check=None):
    return ClickHouseStore(warehouse, target, check=check)  # type: ignore[arg-type]


def rows(make_event, partition: int) -> Rows:
    return Rows(partition, [make_event()], [Source(offset=0, line=0, payload=b"{}")])


def erased(*, done: bool) -> Answer:
    return Answer(names=NAMES, types=(), rows=[(USER, 5, 7, 1000, int(done))])


async def test_rows_and_ledger_of_a_partition_go_to_the_nodes_of_its_shard(make_event):
    warehouse = FakeWarehouse()
    entry = LedgerEntry(
        topic="views",
        partition=3,
        range=Range(first=0, last=1),
        records=1,
        lines=1,
        stored=1,
        dead=0,
        erased=0,
        content_hash="",
    )
    await store(warehouse).insert(rows(make_event, 3), token="the batch")
    await store(warehouse).record(entry)
    await store(warehouse).insert(rows(make_event, 2), token="")

    assert warehouse.calls == [
        ("shard 1", "views_raw_local"),
        ("shard 1", "ingested_local"),
        ("shard 0", "views_raw_local"),
    ]
    assert warehouse.settings[0]["insert_deduplication_token"] == "the batch"
    assert "insert_deduplication_token" not in warehouse.settings[2]


async def test_one_server_has_its_tables_under_their_plain_names(make_event):
    warehouse = FakeWarehouse()
    await store(warehouse, SINGLE).insert(rows(make_event, 3), token="")

    assert [table for _, table in warehouse.calls] == ["views_raw"]


async def test_an_erasure_is_known_on_every_shard_before_anything_is_deleted_and_once_all_is():
    warehouse = FakeWarehouse()
    await store(warehouse).erase(ERASURE)

    noted = [("shard 0", "erasures_local"), ("shard 1", "erasures_local")]
    deleted = [
        ("every shard", f"movies.{table}_local")
        for table in ("views_raw", "playback", "resume_points")
    ]
    assert warehouse.calls == [*noted, *deleted, *noted]


async def test_erasures_are_read_from_every_node_that_answers_since_one_may_lag_behind():
    down = WarehouseUnavailableError("dead")
    warehouse = FakeWarehouse({"a": erased(done=False), "b": down, "c": erased(done=True)})

    assert (await store(warehouse).erased()).is_done(ERASURE)


async def test_without_any_answer_nobody_knows_who_is_to_be_forgotten():
    down = WarehouseUnavailableError("dead")
    with pytest.raises(WarehouseUnavailableError):
        await store(FakeWarehouse({"a": down, "b": down})).erased()


async def test_a_partition_that_is_refused_is_not_written(make_event):
    async def refuse(partition: int) -> None:
        msg = "no multiple"
        raise ConfigError(msg)

    warehouse = FakeWarehouse()
    with pytest.raises(ConfigError):
        await store(warehouse, check=refuse).insert(rows(make_event, 5), token="")

    assert warehouse.calls == []
