"""The warehouse on a cluster: which node does what, and who stands in for a dead one.

Every node is an `AsynchWarehouse` of its own. Reads go to any node, through the Distributed
tables; what is written goes to a replica of one shard, and to the next one with the same
token when it fails.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Self

from ugc_core.adapters.asynch_warehouse import AsynchWarehouse
from ugc_core.adapters.cluster_nodes import ClusterNodes, OpenNode
from ugc_core.clock import Clock
from ugc_core.cluster_ddl import refuse_unfinished
from ugc_core.errors import SchemaMismatchError, UgcError, WarehouseUnavailableError
from ugc_core.replica_health import quorum
from ugc_core.settings import WarehouseSection
from ugc_core.urls import Node, WarehouseTarget
from ugc_core.warehouse import Answer, Column, Settings, ShardedWarehouse

_QUORUM_S = 10.0
"""Longest wait for the other replicas to fetch an insert; they take milliseconds."""


class ClusterWarehouse:
    """Chooses nodes; the work itself is done by each node's own warehouse."""

    def __init__(self, nodes: ClusterNodes, settings: WarehouseSection) -> None:
        """Use `open`; this only wires."""
        self._nodes = nodes
        self._settings = settings

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        target: WarehouseTarget,
        settings: WarehouseSection,
        *,
        clock: Clock,
        database: str | None = None,
        open_node: OpenNode | None = None,
    ) -> AsyncIterator[Self]:
        """Connect on first use, and close every connection on the way out.

        Args:
            target: The cluster, and the nodes to start from.
            settings: User, password, deadlines and quorum.
            clock: Time, for cool-downs.
            database: Another current database than the target's.
            open_node: Opens one node.
        """

        def one(node: Node) -> AbstractAsyncContextManager[ShardedWarehouse]:
            there = WarehouseTarget(host=node.host, port=node.port, database=target.database)
            return AsynchWarehouse.open(there, settings, database=database)

        async with AsyncExitStack() as stack:
            nodes = ClusterNodes(target, settings, open_node or one, stack, clock=clock)
            try:
                yield cls(nodes, settings)
            finally:
                await nodes.close()  # before the nodes: a question under way has a connection

    async def read(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Settings | None = None,
    ) -> Answer:
        """Read on the first node that answers."""
        return await self._nodes.ask_any(lambda node: node.read(sql, parameters, settings=settings))

    async def execute(self, sql: str, *, settings: Settings | None = None) -> None:
        """Run it on one node; it is not repeated elsewhere, since it may have been done."""
        await self._nodes.ask_one(lambda node: node.execute(sql, settings=settings))

    async def insert(
        self, table: str, columns: Mapping[str, Column], *, settings: Settings
    ) -> None:
        """Insert through one node; it is not repeated elsewhere, since it may have been done."""
        await self._nodes.ask_one(lambda node: node.insert(table, columns, settings=settings))

    async def shards(self) -> int:
        """Count the cluster's shards."""
        return len((await self._nodes.topology()).shards)

    async def insert_for(
        self, partition: int, table: str, columns: Mapping[str, Column], *, settings: Settings
    ) -> None:
        """Insert on one replica after the other, until one has it and enough others, too."""
        topology = await self._nodes.topology()
        shard = topology.shard_for(partition)
        replicas = topology.shards[shard]

        async def insert(node: ShardedWarehouse) -> None:
            both = {**settings, **self._quorum(replicas)}
            await node.insert(table, columns, settings=both)

        await self._on_shard(shard, replicas, insert, turn=topology.turn_for(partition))

    async def execute_on_shards(self, sql: str, *, settings: Settings | None = None) -> None:
        """Run it on every shard at once."""
        topology = await self._nodes.topology()
        done = await asyncio.gather(
            *(
                self._on_shard(shard, replicas, lambda node: node.execute(sql, settings=settings))
                for shard, replicas in enumerate(topology.shards)
            ),
            return_exceptions=True,  # none is cut off because another one failed
        )
        for failure in done:
            if failure is not None:
                raise failure

    async def read_each(self, sql: str) -> Mapping[str, Answer | UgcError]:
        """Ask every node at once."""
        nodes = (await self._nodes.topology()).nodes

        async def ask(node: Node) -> Answer | UgcError:
            try:
                return await (await self._nodes.warehouse(node)).read(sql)
            except UgcError as error:
                return error

        answers = await asyncio.gather(*map(ask, nodes))
        return dict(zip(map(str, nodes), answers, strict=True))

    async def define(self, sql: str) -> None:
        """Run it ON CLUSTER, and read what every node says of it."""
        wait_s = max(1, int(self._settings.read_timeout_s * 0.8))
        waiting: Settings = {
            "distributed_ddl_task_timeout": wait_s,
            "distributed_ddl_output_mode": "never_throw",
        }
        answer = await self._nodes.ask_any(lambda node: node.read(sql, settings=waiting))
        refuse_unfinished(answer, sql)

    def _quorum(self, replicas: Sequence[Node]) -> Settings:
        """Return the settings of an insert on one of these replicas, as they are just now.

        A dead replica is missed by the others only when its session in Keeper ends; until
        then an insert waits for it in vain, and is repeated with what we know of it.
        """
        living = self._nodes.health.living(replicas)
        wanted = self._settings.insert_quorum
        return {
            "insert_quorum": quorum(len(replicas), living, wanted=wanted),
            "insert_quorum_parallel": 1,
            "insert_quorum_timeout": int(
                min(_QUORUM_S, self._settings.insert_timeout_s / 2) * 1000
            ),
        }

    async def _on_shard(
        self,
        shard: int,
        replicas: Sequence[Node],
        action: Callable[[ShardedWarehouse], Awaitable[None]],
        *,
        turn: int = 0,
    ) -> None:
        """Let one replica after the other try."""
        failures: dict[Node, UgcError] = {}
        for node in self._nodes.health.order(replicas, turn=turn):
            try:
                await action(await self._nodes.warehouse(node))
            except (WarehouseUnavailableError, SchemaMismatchError) as error:
                self._nodes.failed(node, error)
                failures[node] = error
            else:
                self._nodes.health.answered(node)
                return
        reasons = "; ".join(f"{node}: {error}" for node, error in failures.items())
        msg = f"no replica of shard {shard + 1} did it: {reasons}"
        if all(isinstance(error, SchemaMismatchError) for error in failures.values()):
            raise SchemaMismatchError(msg)
        raise WarehouseUnavailableError(msg)


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _warehouse: type[ShardedWarehouse] = ClusterWarehouse
