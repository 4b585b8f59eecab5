"""One real cluster for all tests of this folder, whole again before each of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count

import pytest
from msgspec import structs

from tests.cluster.nodes import CLUSTER, Cluster, Server, missing
from tests.requirements import lacking
from ugc_core.adapters.asynch_warehouse import AsynchWarehouse
from ugc_core.adapters.cluster_warehouse import ClusterWarehouse
from ugc_core.clock import SystemClock
from ugc_core.settings import WarehouseSection
from ugc_core.urls import Node, WarehouseTarget, warehouse_target
from ugc_core.warehouse import Answer, Column, Settings, ShardedWarehouse

OpenCluster = Callable[..., AbstractAsyncContextManager[ClusterWarehouse]]
"""Opens the warehouse; named settings replace the section's."""

_NEWER = frozenset(
    {"insert_quorum_parallel", "insert_deduplication_token", "distributed_ddl_output_mode"}
)
"""Settings of ours that ClickHouse 18.16 does not know, and so would refuse."""
_LOCAL = """
    CREATE TABLE movies.{name}_local ON CLUSTER company_cluster
    (event_id UUID, partition UInt16)
    ENGINE = ReplicatedReplacingMergeTree('/t/{{shard}}/{name}', '{{replica}}')
    ORDER BY event_id
"""
_WHOLE = """
    CREATE TABLE movies.{name} ON CLUSTER company_cluster AS movies.{name}_local
    ENGINE = Distributed(company_cluster, movies, {name}_local, partition)
"""
_tables = count(1)


class OldNode(AsynchWarehouse):
    """A node that is spared the settings and the words that it does not know."""

    async def read(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Settings | None = None,
    ) -> Answer:
        older = sql.replace(" ADD COLUMN IF NOT EXISTS ", " ADD COLUMN ")
        return await super().read(older, parameters, settings=_known(settings or {}))

    async def insert(
        self, table: str, columns: Mapping[str, Column], *, settings: Settings
    ) -> None:
        await super().insert(table, columns, settings=_known(settings))


def _known(settings: Settings) -> Settings:
    return {name: value for name, value in settings.items() if name not in _NEWER}


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Four nodes and ZooKeeper that run until the last test."""
    if lacks := missing():
        debian = "Debian: clickhouse-server, zookeeper and a Java runtime"
        lacking("cluster", f"{lacks} ({debian})")
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """The cluster; what a test breaks is mended after it."""
    yield running
    running.mend()


@pytest.fixture
def section(cluster: Cluster) -> WarehouseSection:
    """The settings of the cluster; deadlines are short, nodes die here."""
    return WarehouseSection(
        url=cluster.url, connect_timeout_s=2.0, read_timeout_s=20.0, insert_timeout_s=4.0
    )


@pytest.fixture
def open_cluster(section: WarehouseSection) -> OpenCluster:
    """Open the warehouse as the product does, but for the settings that 18.16 refuses."""

    @asynccontextmanager
    async def opened(**changes: object) -> AsyncIterator[ClusterWarehouse]:
        changed = structs.replace(section, **changes)
        target = warehouse_target(changed.url)

        def node(there: Node) -> AbstractAsyncContextManager[ShardedWarehouse]:
            one = WarehouseTarget(host=there.host, port=there.port, database=target.database)
            return OldNode.open(one, changed, insert_settings={})

        async with ClusterWarehouse.open(
            target, changed, clock=SystemClock(), open_node=node
        ) as warehouse:
            yield warehouse

    return opened


@pytest.fixture
def table(cluster: Cluster, section: WarehouseSection) -> str:
    """The name of a new table: `<name>_local` on each node, `<name>` over all of them."""
    name = f"seen_{next(_tables)}"
    asyncio.run(_make(section, name))
    return name


@pytest.fixture
def on_node(section: WarehouseSection) -> Callable[[Server, str], Awaitable[Answer]]:
    """Run a statement on one node alone."""

    async def run(server: Server, sql: str) -> Answer:
        there = WarehouseTarget(host="127.0.0.1", port=server.port, database="movies")
        async with OldNode.open(there, section, insert_settings={}) as node:
            return await node.read(sql)

    return run


async def _make(section: WarehouseSection, name: str) -> None:
    target = warehouse_target(section.url)
    patient = structs.replace(section, read_timeout_s=60.0, connect_timeout_s=30.0)
    async with OldNode.open(target, patient, database="default", insert_settings={}) as node:
        for statement in (
            f"CREATE DATABASE IF NOT EXISTS movies ON CLUSTER {CLUSTER}",
            _LOCAL.format(name=name),
            _WHOLE.format(name=name),
        ):
            await node.read(statement)
