"""The pipeline itself on a real cluster: replicas and a whole shard die, sets of ids stay equal.

The store is the test's own, because the product's tables need a newer ClickHouse; what it
writes with, and everything above it, is the product's.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import pytest

from tests.cluster.nodes import Cluster
from tests.conftest import MakeEvent, OpenedLog, OpenMemoryLog
from ugc_core.adapters.memory_log import MemoryLog
from ugc_core.backoff import Backoff
from ugc_core.clock import SystemClock
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.settings import EtlSection, LogSection
from ugc_core.warehouse import Answer, Column, Settings, ShardedWarehouse
from ugc_etl.adapters.memory_store import MemoryDeadLetters, MemoryStore
from ugc_etl.delivery import Delivery
from ugc_etl.metrics import EtlMetrics
from ugc_etl.pipeline import Pipeline
from ugc_etl.retry import Retry
from ugc_etl.rows import Rows

PARTITIONS = 4
DEADLINE_S = 60
"""Longest wait for what should happen, in seconds."""


class SeenStore(MemoryStore):
    """Keeps which events it has seen, in a table of two columns.

    Attributes:
        done: How many inserts of each partition were acknowledged.
    """

    def __init__(self, warehouse: ShardedWarehouse, table: str) -> None:
        super().__init__()
        self._warehouse = warehouse
        self._table = table
        self.done = dict.fromkeys(range(PARTITIONS), 0)

    async def insert(self, rows: Rows, *, token: str) -> None:
        columns: Mapping[str, Column] = {
            "event_id": [event.event_id for event in rows.events],
            "partition": [rows.partition] * len(rows),
        }
        settings: Settings = {"insert_deduplication_token": token}
        await self._warehouse.insert_for(
            rows.partition, f"{self._table}_local", columns, settings=settings
        )
        self.done[rows.partition] += 1


class World:
    """A running pipeline, and what a test does around it."""

    def __init__(
        self,
        log: OpenedLog,
        store: SeenStore,
        warehouse: ShardedWarehouse,
        make: MakeEvent,
        running: "asyncio.Task[None]",
    ) -> None:
        self.log = log
        self.store = store
        self.sent: dict[int, set[UUID]] = {partition: set() for partition in range(PARTITIONS)}
        self._warehouse = warehouse
        self._make = make
        self._running = running
        self._users = iter(range(1, 100_000))

    async def send(self, reports: int = 40) -> None:
        """Append reports by as many users."""
        for _ in range(reports):
            user = next(self._users)
            event = self._make(user=user)
            receipt = await self.log.writer.append(
                str(event.user_id).encode(), [encode_event(event)], headers=EVENT_HEADERS
            )
            self.sent[receipt.partition].add(event.event_id)

    async def until_done(self, partitions: Sequence[int], more: int = 1) -> None:
        """Wait until each of these partitions had more inserts."""
        before = dict(self.store.done)
        until = time.monotonic() + DEADLINE_S
        while not all(self.store.done[p] >= before[p] + more for p in partitions):
            assert time.monotonic() < until, self.store.done
            assert not self._running.done(), self._running
            await asyncio.sleep(0.05)

    async def settle(self, table: str) -> list[set[UUID]]:
        """Wait until every node has what was sent to its shard; return what each has."""
        expected = self.by_shard()
        until = time.monotonic() + DEADLINE_S
        while True:
            said = await self._warehouse.read_each(f"SELECT event_id FROM {table}_local")
            found = [
                {row[0] for row in answer.rows if isinstance(row[0], UUID)}
                for answer in said.values()
                if isinstance(answer, Answer)
            ]
            if found == expected or time.monotonic() > until:
                return found
            await asyncio.sleep(0.1)

    def by_shard(self) -> list[set[UUID]]:
        """Return what each of the four nodes must have."""
        even, odd = (self.sent[n] | self.sent[n + 2] for n in (0, 1))
        return [even, even, odd, odd]


@pytest.fixture
def open_world(cluster: Cluster, open_cluster, table, open_memory_log: OpenMemoryLog, make_event):
    @asynccontextmanager
    async def opened() -> AsyncIterator[World]:
        section = LogSection(partitions=PARTITIONS)
        metrics, clock = EtlMetrics(), SystemClock()
        retry = Retry(clock=clock, backoff=Backoff(first_s=0.05, most_s=0.5))
        async with (
            open_cluster() as warehouse,
            open_memory_log(MemoryLog(clock=clock), section) as log,
        ):

            async def oldest(partition: int) -> int:
                return (await log.admin.watermarks(section.topic))[partition].low

            store = SeenStore(warehouse, table)
            pipeline = Pipeline(
                topic=section.topic,
                consumer=log.reader,
                deliveries=partial(
                    Delivery,
                    committer=log.reader,
                    store=store,
                    dead_letters=MemoryDeadLetters(),
                    oldest=oldest,
                    retry=retry,
                    metrics=metrics,
                    max_bad_in_a_row=10,
                ),
                clock=clock,
                limits=EtlSection(max_age_s=0.1),
                retry=retry,
                metrics=metrics,
            )
            stop = asyncio.Event()
            running = asyncio.create_task(pipeline.run(stop))
            try:
                yield World(log, store, warehouse, make_event, running)
            finally:
                stop.set()
                await running

    return opened


async def test_a_replica_that_dies_under_traffic_loses_nothing(cluster, open_world, table):
    async with open_world() as world:
        for node in (cluster.nodes[0], cluster.nodes[3]):
            await world.send()
            await world.until_done([0, 1, 2, 3])
            node.kill()
            await world.send()
            await world.until_done([0, 1, 2, 3])
            await world.send()
            node.start()
        found = await world.settle(table)

    assert found == world.by_shard()
    assert all(world.sent.values())


async def test_a_dead_shard_holds_back_its_partitions_and_the_others_go_on(
    cluster, open_world, table
):
    async with open_world() as world:
        await world.send()
        await world.until_done([0, 1, 2, 3])
        for node in cluster.shard(1):
            node.kill()
        held = dict(world.store.done)
        for _ in range(3):
            await world.send()
            await world.until_done([0, 2])
        assert {p: world.store.done[p] - held[p] for p in (1, 3)} == {1: 0, 3: 0}

        for node in cluster.shard(1):
            node.start()
        found = await world.settle(table)

    assert found == world.by_shard()


async def test_nothing_is_committed_past_what_a_dead_shard_has_not_got(cluster, open_world, table):
    async with open_world() as world:
        await world.send()
        await world.settle(table)
        for node in cluster.shard(0):
            node.kill()
        await world.send()
        await world.until_done([1, 3])
        marks = await world.log.admin.watermarks("views")
        commits = await world.log.admin.committed_by("ugc-etl", "views")
        behind = {p for p, ends in marks.items() if commits[p].offset < ends.high}

        assert behind >= {0, 2}
        for node in cluster.shard(0):
            node.start()
        assert await world.settle(table) == world.by_shard()
