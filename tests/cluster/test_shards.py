"""Where rows go on a real cluster, and what happens to them when nodes die."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from ugc_core.errors import ConfigError, UgcError, WarehouseUnavailableError
from ugc_core.urls import Node
from ugc_core.warehouse import Answer, Column, ShardedWarehouse

DEADLINE_S = 60
"""Longest wait for what should happen, in seconds."""


async def insert(
    warehouse: ShardedWarehouse, table: str, partition: int, rows: int = 5
) -> set[UUID]:
    """Insert new rows for a partition; return their ids once they are acknowledged."""
    ids = [uuid4() for _ in range(rows)]
    columns: dict[str, Column] = {"event_id": ids, "partition": [partition] * rows}
    await warehouse.insert_for(partition, f"{table}_local", columns, settings={})
    return {*ids}


async def insert_until_done(warehouse: ShardedWarehouse, table: str, partition: int) -> set[UUID]:
    """Insert the same rows until they are acknowledged."""
    ids = [uuid4() for _ in range(5)]
    columns: dict[str, Column] = {"event_id": ids, "partition": [partition] * 5}
    await until_done(
        lambda: warehouse.insert_for(partition, f"{table}_local", columns, settings={})
    )
    return {*ids}


async def until_done(action: Callable[[], Awaitable[None]]) -> None:
    """Repeat what the warehouse is not available for."""
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            return await action()
        except WarehouseUnavailableError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)


async def stored(warehouse: ShardedWarehouse, table: str) -> dict[str, set[UUID]]:
    """Return what each node holds itself."""
    found = await warehouse.read_each(f"SELECT event_id FROM {table}_local")
    return {
        node: {row[0] for row in answer.rows if isinstance(row[0], UUID)}
        for node, answer in found.items()
        if isinstance(answer, Answer)
    }


async def settled(
    warehouse: ShardedWarehouse, table: str, expected: Callable[[dict[str, set[UUID]]], bool]
) -> dict[str, set[UUID]]:
    """Wait until the nodes hold what is expected: replication is not instant."""
    until = time.monotonic() + DEADLINE_S
    while True:
        found = await stored(warehouse, table)
        if expected(found) or time.monotonic() > until:
            return found
        await asyncio.sleep(0.05)


async def test_rows_of_each_partition_lie_on_the_shard_that_it_feeds_and_on_no_other(
    cluster, open_cluster, table
):
    async with open_cluster() as warehouse:
        sent = {partition: await insert(warehouse, table, partition) for partition in range(8)}
        even = set().union(*(sent[partition] for partition in (0, 2, 4, 6)))
        odd = set().union(*(sent[partition] for partition in (1, 3, 5, 7)))
        wanted = {
            str(Node("127.0.0.1", node.port)): ids
            for shard, ids in ((0, even), (1, odd))
            for node in cluster.shard(shard)
        }

        assert await warehouse.shards() == 2
        assert await settled(warehouse, table, wanted.__eq__) == wanted
        everywhere = await warehouse.read(f"SELECT event_id FROM {table}")
        assert {row[0] for row in everywhere.rows} == even | odd
        assert len(everywhere.rows) == 40


async def test_an_acknowledged_insert_is_on_the_other_replica_too(cluster, open_cluster, table):
    async with open_cluster() as warehouse:
        sent = await insert(warehouse, table, 0)
        cluster.shard(0)[0].kill()  # the one that took it

        found = await stored(warehouse, table)

    [left] = [ids for node, ids in found.items() if node.endswith(f":{cluster.shard(0)[1].port}")]
    assert left == sent


@pytest.mark.parametrize("dead", [0, 1])
async def test_a_dead_replica_is_stood_in_for_and_nothing_is_lost(
    cluster, open_cluster, table, dead
):
    async with open_cluster() as warehouse:
        sent = await insert(warehouse, table, 0)
        cluster.shard(0)[dead].kill()

        for _ in range(3):
            sent |= await insert_until_done(warehouse, table, 0)

        cluster.shard(0)[dead].start()
        wanted = [sent, sent, set(), set()]
        found = await settled(warehouse, table, lambda now: [*now.values()] == wanted)
        assert [*found.values()] == wanted


async def test_with_a_strict_quorum_the_shard_waits_for_its_replica(cluster, open_cluster, table):
    cluster.shard(0)[1].kill()
    async with open_cluster(insert_quorum=2, insert_timeout_s=2.0) as warehouse:
        with pytest.raises(WarehouseUnavailableError, match="no replica of shard 1 did it"):
            await insert(warehouse, table, 0)
        sent = await insert(warehouse, table, 1)

        waiting = asyncio.create_task(insert_until_done(warehouse, table, 0))
        cluster.shard(0)[1].start()
        held = await waiting

        found = await settled(
            warehouse, table, lambda now: all(held <= ids for ids in [*now.values()][:2])
        )
        assert all(held <= ids for ids in [*found.values()][:2])
        assert [*found.values()][2:] == [sent, sent]


async def test_a_hung_replica_is_left_within_the_deadline(cluster, open_cluster, table):
    cluster.shard(1)[0].freeze()
    async with open_cluster(insert_timeout_s=1.5) as warehouse:
        sent = await insert_until_done(warehouse, table, 1)
        sent |= await insert_until_done(warehouse, table, 1)
        cluster.shard(1)[0].thaw()

        found = await settled(
            warehouse, table, lambda now: len(now) == 4 and [*now.values()][2:] == [sent] * 2
        )
        assert [*found.values()][2:] == [sent, sent]


async def test_a_dead_shard_holds_back_its_own_partitions_alone(cluster, open_cluster, table):
    async with open_cluster() as warehouse:
        await warehouse.shards()
        for node in cluster.shard(1):
            node.kill()

        with pytest.raises(WarehouseUnavailableError, match="no replica of shard 2 did it"):
            await insert(warehouse, table, 3)
        sent = await insert(warehouse, table, 2)
        held = asyncio.create_task(insert_until_done(warehouse, table, 3))
        sent |= await insert(warehouse, table, 2)
        for node in cluster.shard(1):
            node.start()
        back = await held

        found = await settled(warehouse, table, lambda now: [*now.values()][2:] == [back] * 2)
        assert [*found.values()] == [sent, sent, back, back]


# --- statements


async def test_a_statement_on_every_shard_is_done_on_each(open_cluster, table):
    async with open_cluster() as warehouse:
        for partition in range(4):
            await insert(warehouse, table, partition)
        await warehouse.execute_on_shards(f"TRUNCATE TABLE {table}_local")
        found = await settled(warehouse, table, lambda now: not any(now.values()))
        assert not any(found.values())


async def test_every_node_has_a_table_once_its_definition_returns(cluster, open_cluster, table):
    async with open_cluster() as warehouse:
        await warehouse.define(
            f"CREATE TABLE movies.{table}_more ON CLUSTER company_cluster (n UInt8) ENGINE = Memory"
        )
        there = await warehouse.read_each(f"SELECT count() FROM {table}_more")

    assert [isinstance(answer, Answer) and answer.rows for answer in there.values()] == [[(0,)]] * 4


async def test_a_definition_that_a_node_has_not_done_is_no_success(cluster, open_cluster, table):
    cluster.nodes[3].kill()
    async with open_cluster(read_timeout_s=3.0) as warehouse:
        with pytest.raises(WarehouseUnavailableError, match=r"unfinished hosts|did not answer"):
            await warehouse.define(
                f"CREATE TABLE movies.{table}_late ON CLUSTER company_cluster (n UInt8)"
                " ENGINE = Memory"
            )


# --- who answers


async def test_reads_go_on_and_a_cluster_is_learned_when_the_first_node_is_dead(
    cluster, open_cluster, table
):
    async with open_cluster() as warehouse:
        sent = await insert(warehouse, table, 0)
        cluster.nodes[0].kill()

        found = await warehouse.read(f"SELECT event_id FROM {table}")
    async with open_cluster() as another:
        assert await another.shards() == 2

    assert {row[0] for row in found.rows} == sent


async def test_a_cluster_that_is_not_there_is_a_matter_of_the_settings(cluster, open_cluster):
    async with open_cluster(url=cluster.url.replace("company", "other")) as warehouse:
        with pytest.raises(ConfigError, match=r"no cluster 'other_cluster' \(it knows company_cl"):
            await warehouse.shards()


async def test_with_no_node_up_the_warehouse_is_not_available(cluster, open_cluster):
    for node in cluster.nodes:
        node.kill()
    async with open_cluster() as warehouse:
        with pytest.raises(UgcError, match="no node of cluster company_cluster answers"):
            await warehouse.shards()
