"""Nodes of a real cluster that lack a table or a column: found by name, and mended."""

import asyncio
from uuid import UUID, uuid4

import pytest

from ugc_core import warehouse_schema
from ugc_core.errors import WarehouseUnavailableError
from ugc_core.migrations import on_cluster
from ugc_core.table_shapes import Drift, drift, shapes
from ugc_core.urls import Node, WarehouseTarget, warehouse_target
from ugc_core.warehouse import Column, Shards
from ugc_core.warehouse_survey import tables_of_each

LOCAL = """\
CREATE TABLE IF NOT EXISTS movies.{name}_local ON CLUSTER company_cluster
(
    event_id UUID,
    partition UInt16
)
ENGINE = ReplicatedReplacingMergeTree('/t/{{shard}}/{name}', '{{replica}}')
ORDER BY event_id"""
WHOLE = """\
CREATE TABLE IF NOT EXISTS movies.{name} ON CLUSTER company_cluster AS movies.{name}_local
ENGINE = Distributed(company_cluster, movies, {name}_local, partition)"""
VIEW = """\
CREATE VIEW IF NOT EXISTS movies.{name}_view ON CLUSTER company_cluster AS
SELECT event_id FROM movies.{name}"""


async def differences(warehouse: Shards, target: WarehouseTarget, name: str) -> list[Drift]:
    wanted = shapes(each.format(name=name) for each in (LOCAL, WHOLE, VIEW))
    nodes = await tables_of_each(warehouse, target)
    return drift(wanted, nodes, database=target.database, on_cluster=on_cluster(target))


async def test_what_single_nodes_lack_is_named_and_mended(
    cluster, open_cluster, section, table, on_node
):
    target = warehouse_target(section.url)
    third, fourth = (Node("127.0.0.1", node.port) for node in cluster.shard(1))
    async with open_cluster() as warehouse:
        await warehouse.define(VIEW.format(name=table))
        assert await differences(warehouse, target, table) == []
        await on_node(cluster.shard(1)[0], f"ALTER TABLE {table} DROP COLUMN partition")
        await on_node(cluster.shard(1)[1], f"DROP TABLE {table}_view")

        found = await differences(warehouse, target, table)

        assert [one.summary for one in found] == [
            f"column movies.{table}.partition is missing on {third}",
            f"view movies.{table}_view is missing on {fourth}",
        ]
        # 18.16 cannot add a column only where it is missing.
        await on_node(cluster.shard(1)[0], f"ALTER TABLE {table} ADD COLUMN partition UInt16")
        await warehouse_schema.mend(warehouse, found[1:])
        assert await differences(warehouse, target, table) == []


async def test_a_node_that_is_down_is_named_before_anything_is_changed(
    cluster, open_cluster, section, table
):
    cluster.nodes[3].kill()
    async with open_cluster() as warehouse:
        with pytest.raises(
            WarehouseUnavailableError, match=rf"127.0.0.1:{cluster.nodes[3].port} of 4 nodes"
        ):
            await differences(warehouse, warehouse_target(section.url), table)


async def test_a_column_is_added_on_every_node_while_rows_come_in(
    cluster, open_cluster, section, table, on_node
):
    """A writer that does not know the column goes on as before."""
    target = warehouse_target(section.url)
    added = " ON CLUSTER company_cluster ADD COLUMN IF NOT EXISTS note String AFTER event_id"
    statements = [LOCAL.format(name=table), WHOLE.format(name=table)] + [
        f"ALTER TABLE movies.{name}{added}" for name in (f"{table}_local", table)
    ]
    async with open_cluster() as warehouse:
        nodes = await tables_of_each(warehouse, target)
        found = drift(shapes(statements), nodes, database="movies", on_cluster=on_cluster(target))
        assert [one.mend.split()[2] for one in found] == [
            f"movies.{table}_local",
            f"movies.{table}",
        ]
        mending = asyncio.create_task(warehouse_schema.mend(warehouse, found[:1]))
        sent: set[UUID] = set()
        while not mending.done() or len(sent) < 20:
            event_id = uuid4()
            columns: dict[str, Column] = {"event_id": [event_id], "partition": [len(sent) % 4]}
            await warehouse.insert_for(len(sent) % 4, f"{table}_local", columns, settings={})
            sent.add(event_id)
        await mending
        for server in cluster.nodes:  # 18.16 refuses it ON CLUSTER: "isn't replicated"
            await on_node(server, f"ALTER TABLE {table} ADD COLUMN note String AFTER event_id")

        nodes = await tables_of_each(warehouse, target)
        assert drift(shapes(statements), nodes, database="movies") == []
        there = await warehouse.read(f"SELECT event_id, note FROM {table}")
        assert {*there.rows} == {(event_id, "") for event_id in sent}
