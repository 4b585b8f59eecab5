"""The nodes of a cluster: learned from the cluster itself, opened once, watched while dead."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeVar

import msgspec
import structlog

from ugc_core.backoff import Backoff
from ugc_core.clock import Clock
from ugc_core.errors import ConfigError, UgcError, WarehouseUnreachableError
from ugc_core.replica_health import ReplicaHealth
from ugc_core.settings import WarehouseSection
from ugc_core.topology import ClusterRow, Topology, topology_of
from ugc_core.urls import Node, WarehouseTarget
from ugc_core.warehouse import ShardedWarehouse

T = TypeVar("T")
OpenNode = Callable[[Node], AbstractAsyncContextManager[ShardedWarehouse]]
Question = Callable[[ShardedWarehouse], Awaitable[T]]
"""Something to ask a node."""

_log = structlog.get_logger()

_CLUSTERS = (
    "SELECT cluster, shard_num, shard_weight, replica_num, host_name, port FROM system.clusters"
)
_FRESH_S = 30.0
"""How long a list of nodes is believed, in seconds."""
_FAREWELL_S = 1.0
"""How long what goes on in the background may still take when all is closed, in seconds."""
# Long enough that a dead node costs next to nothing, short enough that one that is back
# soon takes its share: in seconds.
_COOL_DOWN = Backoff(first_s=0.5, most_s=15.0)


class ClusterNodes:
    """Who there is, who has failed, and a warehouse for each."""

    def __init__(
        self,
        target: WarehouseTarget,
        settings: WarehouseSection,
        open_node: OpenNode,
        stack: AsyncExitStack,
        *,
        clock: Clock,
    ) -> None:
        """Know the nodes of the URL alone.

        Args:
            target: The cluster and its first nodes.
            settings: Deadlines.
            open_node: Opens one node.
            stack: Closes what was opened.
            clock: Time, for cool-downs.
        """
        self.health = ReplicaHealth(_COOL_DOWN)
        self._cluster = target.cluster or ""
        self._seeds = target.seeds
        self._settings = settings
        self._open_node = open_node
        self._stack = stack
        self._clock = clock
        self._open: dict[Node, ShardedWarehouse] = {}
        self._opening = asyncio.Lock()
        self._learning = asyncio.Lock()
        self._topology: Topology | None = None
        self._learned_at = float("-inf")
        self._changed: ConfigError | None = None
        self._care: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End what goes on in the background."""
        if self._care is not None:
            await asyncio.wait({self._care}, timeout=_FAREWELL_S)
            self._care.cancel()
            await asyncio.wait({self._care})

    async def warehouse(self, node: Node) -> ShardedWarehouse:
        """Return the warehouse of one node; nothing is connected yet."""
        async with self._opening:
            if node not in self._open:
                context = self._open_node(node)
                self._open[node] = await self._stack.enter_async_context(context)
        return self._open[node]

    async def topology(self) -> Topology:
        """Return the shards; from the second call on without a wait.

        Raises:
            ConfigError: There is no such cluster, or it has other shards than at the start.
            WarehouseUnavailableError: No node answers.
        """
        known = self._topology
        if known is None:
            async with self._learning:
                known = self._topology or await self._learn()
        if self._changed is not None:
            raise self._changed
        self._take_care()
        return known

    def failed(self, node: Node, error: UgcError) -> None:
        """Leave a node alone for a while."""
        if self.health.living([node]):
            _log.warning("warehouse_node_failed", node=str(node), reason=str(error))
        self.health.failed(node, now=self._clock.now())

    async def ask_any(self, question: Question[T]) -> T:
        """Ask one node after the other until one answers; a refusal is an answer.

        Raises:
            WarehouseUnavailableError: None did within the deadline of a read.
        """
        until = self._clock.now() + self._settings.read_timeout_s
        failure: UgcError | None = None
        for node in self.health.order(self._everyone):
            try:
                return await self._ask(node, question)
            except WarehouseUnreachableError as error:
                failure = error
            if self._clock.now() >= until:
                break
        msg = f"no node of cluster {self._cluster} answers; the last one asked: {failure}"
        raise WarehouseUnreachableError(msg)

    async def ask_one(self, question: Question[T]) -> T:
        """Ask the node that most likely answers, and no other one."""
        return await self._ask(self.health.order(self._everyone)[0], question)

    @property
    def _everyone(self) -> tuple[Node, ...]:
        """Every node that is known; a seed may have another name in the cluster."""
        nodes = self._topology.nodes if self._topology else ()
        return (*nodes, *(seed for seed in self._seeds if seed not in nodes))

    async def _ask(self, node: Node, question: Question[T]) -> T:
        try:
            answer = await question(await self.warehouse(node))
        except WarehouseUnreachableError as error:
            self.failed(node, error)
            raise
        self._take_care()
        return answer

    async def _learn(self) -> Topology:
        """Ask the cluster who belongs to it."""
        answer = await self.ask_any(lambda node: node.read(_CLUSTERS))
        rows = [
            msgspec.convert(dict(zip(answer.names, row, strict=True)), ClusterRow)
            for row in answer.rows
        ]
        found = topology_of(self._cluster, rows)
        if self._topology is not None and len(found.shards) != len(self._topology.shards):
            msg = (
                f"cluster {self._cluster} has {len(found.shards)} shards now, and"
                f" {len(self._topology.shards)} when this program started: users move between"
                " shards. Stop every ugc-etl, see infra/README.md, and start them again"
            )
            self._changed = ConfigError(msg)
            return self._topology
        self._topology = found
        self._learned_at = self._clock.now()
        return found

    def _take_care(self) -> None:
        """Look after the list of nodes and the dead ones, while nobody waits for it."""
        if self._learning.locked() or (self._care is not None and not self._care.done()):
            return
        if self._stale or self.health.due(self._everyone, now=self._clock.now()):
            self._care = asyncio.create_task(self._look())

    @property
    def _stale(self) -> bool:
        return self._clock.now() - self._learned_at >= _FRESH_S

    async def _look(self) -> None:
        due = self.health.due(self._everyone, now=self._clock.now())
        await asyncio.gather(*map(self._probe, due))
        try:
            async with self._learning:
                if self._stale:
                    await self._learn()
        except UgcError as error:
            _log.warning("cluster_not_learned", cluster=self._cluster, reason=str(error))

    async def _probe(self, node: Node) -> None:
        """Ask a dead node whether it is back."""
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await (await self.warehouse(node)).read("SELECT 1")
        except (UgcError, TimeoutError):
            self.health.failed(node, now=self._clock.now())
        else:
            self.health.answered(node)
            _log.info("warehouse_node_is_back", node=str(node))
