"""The cluster's warehouse over fake nodes: who is asked, with which settings, and how often."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ugc_core.adapters.cluster_warehouse import ClusterWarehouse
from ugc_core.clock import ManualClock
from ugc_core.errors import (
    ConfigError,
    QueryRefusedError,
    RowsRefusedError,
    SchemaMismatchError,
    UgcError,
    WarehouseUnavailableError,
    WarehouseUnreachableError,
)
from ugc_core.settings import WarehouseSection
from ugc_core.urls import Node, warehouse_target
from ugc_core.warehouse import Answer, Column, Settings

URL = "clickhouse://a:1,c:1/movies?cluster=ours"
NAMES = ("cluster", "shard_num", "shard_weight", "replica_num", "host_name", "port")


class FakeNode:
    """A node that notes what it is asked, and fails as it is told.

    Attributes:
        fails: What reads and inserts raise; None lets them work.
        slow: Whether it takes a turn of the loop to answer.
        busy: How many questions it is at work on.
        inserts: The settings of each insert that worked.
        said: The statements it was asked.
    """

    def __init__(self, name: str, cluster: "FakeCluster") -> None:
        self.name = name
        self.fails: UgcError | None = None
        self.slow = False
        self.busy = 0
        self.inserts: list[Settings] = []
        self.said: list[str] = []
        self._cluster = cluster

    async def read(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Settings | None = None,
    ) -> Answer:
        await self.execute(sql)
        if "system.clusters" in sql:
            return Answer(names=NAMES, types=(), rows=self._cluster.rows())
        return Answer(names=("name",), types=(), rows=[(self.name,)])

    async def execute(self, sql: str, *, settings: Settings | None = None) -> None:
        self.said.append(sql)
        if self.fails is not None:
            raise self.fails
        if self.slow:
            self.busy += 1
            await asyncio.sleep(0.01)
            self.busy -= 1

    async def insert(
        self, table: str, columns: Mapping[str, Column], *, settings: Settings
    ) -> None:
        await self.execute(f"INSERT {table}")
        self.inserts.append(settings)

    async def shards(self) -> int:
        raise NotImplementedError

    insert_for = execute_on_shards = read_each = define = shards  # a node is asked none of these


class FakeCluster:
    """Shards of named nodes, and a warehouse over them."""

    def __init__(self, *shards: str) -> None:
        self.shards = shards
        self.clock = ManualClock()
        self.nodes = {name: FakeNode(name, self) for replicas in shards for name in replicas}

    def __getitem__(self, name: str) -> FakeNode:
        return self.nodes[name]

    def rows(self) -> list[tuple[object, ...]]:
        return [
            ("ours", shard, 1, replica, name, 1)
            for shard, replicas in enumerate(self.shards, 1)
            for replica, name in enumerate(replicas, 1)
        ]

    def kill(self, *names: str) -> None:
        for name in names:
            self[name].fails = WarehouseUnreachableError(f"{name} is dead")

    @asynccontextmanager
    async def open(self, **changes: Any) -> AsyncIterator[ClusterWarehouse]:
        section = WarehouseSection(url=URL, **changes)

        @asynccontextmanager
        async def node(there: Node) -> AsyncIterator[FakeNode]:
            yield self.nodes[there.host]
            assert not self.nodes[there.host].busy, "its connection would stay open for ever"

        async with ClusterWarehouse.open(
            warehouse_target(URL),
            section,
            clock=self.clock,
            open_node=node,  # type: ignore[arg-type]
        ) as warehouse:
            yield warehouse


async def insert(warehouse: ClusterWarehouse, partition: int, token: str = "token") -> None:
    settings = {"insert_deduplication_token": token}
    await warehouse.insert_for(partition, "t_local", {"n": [1]}, settings=settings)


async def seen_dead_and_back(cluster: FakeCluster, warehouse: ClusterWarehouse) -> None:
    """Have an insert find node `a` dead, and the node come back unnoticed."""
    await warehouse.shards()
    cluster.kill("a")
    await insert(warehouse, 0)
    cluster["a"].fails = None


async def idle() -> None:
    """Let what goes on in the background come to its end."""
    for _ in range(20):
        await asyncio.sleep(0)


# --- inserts


async def test_the_next_replica_gets_the_same_token_when_one_fails():
    cluster = FakeCluster("ab", "cd")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        cluster.kill("a")
        await insert(warehouse, 0, token="the very same")

    assert cluster["a"].inserts == []
    assert [each["insert_deduplication_token"] for each in cluster["b"].inserts] == [
        "the very same"
    ]


async def test_a_majority_must_hold_an_insert_and_one_alone_when_the_other_is_dead():
    cluster = FakeCluster("ab", "cd")
    async with cluster.open() as warehouse:
        await insert(warehouse, 0)
        cluster.kill("a")
        await insert(warehouse, 0)
        await insert(warehouse, 1)

    quorums = {name: [each["insert_quorum"] for each in cluster[name].inserts] for name in "abcd"}
    assert quorums == {"a": [2], "b": [1], "c": [2], "d": []}


async def test_a_number_in_the_settings_is_never_lowered():
    cluster = FakeCluster("ab")
    cluster.kill("b")
    async with cluster.open(insert_quorum=2) as warehouse:
        await insert(warehouse, 0)

    assert [each["insert_quorum"] for each in cluster["a"].inserts] == [2]


async def test_inserts_of_several_partitions_do_not_wait_for_each_others_quorum():
    cluster = FakeCluster("ab")
    async with cluster.open(insert_timeout_s=60.0) as warehouse:
        await insert(warehouse, 0)

    [settings] = cluster["a"].inserts
    assert settings["insert_quorum_parallel"] == 1
    assert settings["insert_quorum_timeout"] == 10_000


async def test_a_replica_without_the_table_is_stood_in_for():
    cluster = FakeCluster("ab")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        cluster["a"].fails = SchemaMismatchError("no such table")
        await insert(warehouse, 0)

        cluster["b"].fails = SchemaMismatchError("no such table")
        with pytest.raises(SchemaMismatchError, match="no replica of shard 1"):
            await insert(warehouse, 0)


async def test_rows_that_are_refused_are_refused_by_the_first_who_says_so():
    cluster = FakeCluster("ab")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        cluster["a"].fails = RowsRefusedError("not a UUID")
        with pytest.raises(RowsRefusedError):
            await insert(warehouse, 0)

    assert "INSERT t_local" not in cluster["b"].said


async def test_when_a_whole_shard_is_dead_every_reason_is_given_and_others_go_on():
    cluster = FakeCluster("ab", "cd")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        cluster.kill("c", "d")
        with pytest.raises(
            WarehouseUnavailableError, match=r"shard 2 did it: c:1: c is dead; d:1: d is dead"
        ):
            await insert(warehouse, 1)
        await insert(warehouse, 2)


async def test_a_dead_shard_that_is_back_is_used_at_once():
    cluster = FakeCluster("ab")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        cluster.kill("a", "b")
        with pytest.raises(WarehouseUnavailableError):
            await insert(warehouse, 0)
        cluster["b"].fails = None
        await insert(warehouse, 0)

    assert len(cluster["b"].inserts) == 1


async def test_a_dead_node_is_asked_again_in_the_background_and_then_takes_its_share():
    cluster = FakeCluster("ab")
    async with cluster.open() as warehouse:
        await seen_dead_and_back(cluster, warehouse)
        await insert(warehouse, 0)
        assert cluster["a"].inserts == []

        await cluster.clock.sleep(20)
        await insert(warehouse, 0)  # notices that it is time to ask
        await idle()
        await insert(warehouse, 0)

    assert [each["insert_quorum"] for each in cluster["a"].inserts] == [2]
    assert "SELECT 1" in cluster["a"].said


# --- the cluster itself


async def test_a_node_is_closed_after_the_last_question_to_it():
    cluster = FakeCluster("ab")
    async with cluster.open() as warehouse:
        await seen_dead_and_back(cluster, warehouse)
        cluster["a"].slow = True
        await cluster.clock.sleep(20)
        await insert(warehouse, 0)
        await idle()
        assert cluster["a"].busy, "the dead node is being asked whether it is back"


async def test_a_node_that_joins_a_shard_is_found_without_a_restart():
    cluster = FakeCluster("ab")
    async with cluster.open() as warehouse:
        await insert(warehouse, 0)
        cluster.shards = ("abe",)
        cluster.nodes["e"] = FakeNode("e", cluster)
        await cluster.clock.sleep(40)
        await insert(warehouse, 0)
        await idle()
        cluster.kill("a", "b")
        await insert(warehouse, 0)

    assert len(cluster["e"].inserts) == 1


async def test_a_change_of_the_number_of_shards_stops_the_writing_loudly():
    cluster = FakeCluster("ab")
    async with cluster.open() as warehouse:
        await insert(warehouse, 0)
        cluster.shards = ("a", "b")
        await cluster.clock.sleep(40)
        await insert(warehouse, 0)
        await idle()
        with pytest.raises(ConfigError, match="has 2 shards now, and 1 when this program started"):
            await insert(warehouse, 1)


async def test_an_old_list_of_nodes_is_used_while_no_new_one_can_be_had():
    cluster = FakeCluster("ab", "cd")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        await cluster.clock.sleep(40)
        cluster.kill("a", "b", "d")
        await insert(warehouse, 1)

    assert len(cluster["c"].inserts) == 1


async def test_the_second_node_of_the_url_is_asked_when_the_first_is_dead():
    cluster = FakeCluster("ab", "cd")
    cluster.kill("a")
    async with cluster.open() as warehouse:
        assert await warehouse.shards() == 2


# --- reads and statements


async def test_a_read_goes_to_the_next_node_but_a_refusal_is_an_answer():
    cluster = FakeCluster("ab")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        cluster.kill("a")
        assert (await warehouse.read("SELECT 2")).rows == [("b",)]

        cluster["b"].fails = QueryRefusedError("syntax error")
        with pytest.raises(QueryRefusedError):
            await warehouse.read("SELEC 2")


async def test_a_shard_that_a_read_cannot_reach_speaks_against_no_node():
    cluster = FakeCluster("ab")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        cluster["a"].fails = WarehouseUnavailableError("all connection tries failed")
        with pytest.raises(WarehouseUnavailableError, match="tries failed"):
            await warehouse.read("SELECT 2")
        cluster["a"].fails = None
        await insert(warehouse, 0)

    assert len(cluster["a"].inserts) == 1


async def test_an_insert_through_a_distributed_table_is_never_made_twice():
    cluster = FakeCluster("ab")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        cluster.kill("a")
        with pytest.raises(WarehouseUnavailableError):
            await warehouse.insert("t", {"n": [1]}, settings={})

    assert "INSERT t" not in cluster["b"].said


async def test_every_shard_does_a_statement_even_if_another_cannot():
    cluster = FakeCluster("ab", "cd")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        cluster.kill("a", "b")
        with pytest.raises(WarehouseUnavailableError, match="no replica of shard 1"):
            await warehouse.execute_on_shards("ALTER TABLE t_local DELETE WHERE 1")

    assert "ALTER TABLE t_local DELETE WHERE 1" in cluster["c"].said
    assert "ALTER TABLE t_local DELETE WHERE 1" not in cluster["d"].said


async def test_what_each_node_says_stands_beside_its_name():
    cluster = FakeCluster("ab", "c")
    async with cluster.open() as warehouse:
        await warehouse.shards()
        cluster.kill("b")
        said = await warehouse.read_each("SELECT 2")

    assert [*said] == ["a:1", "b:1", "c:1"]
    assert isinstance(said["b:1"], WarehouseUnavailableError)
    assert isinstance(said["c:1"], Answer)
