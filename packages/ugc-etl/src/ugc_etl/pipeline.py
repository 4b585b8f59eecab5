"""The loop: poll, hand each partition its records, let its deliveries run beside it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from ugc_core.allocator import give_back
from ugc_core.bootstrap import LogConsumer
from ugc_core.clock import Clock
from ugc_core.errors import LogUnavailableError, PartitionLostError
from ugc_core.log import Record
from ugc_core.settings import EtlSection
from ugc_etl.batches import Batch, Lane
from ugc_etl.delivery import Delivery
from ugc_etl.intents import intent_of
from ugc_etl.metrics import EtlMetrics
from ugc_etl.retry import Retry

_log = structlog.get_logger()

_POLL_RECORDS = 5000
_BACKLOG, _CALM = 8, 32
"""An eighth of what a partition may hold, waiting in all of them, is a backlog; it is over when a
32nd of it is left."""
_CALM_S = 2.0
"""How long it has to be over: its last batches are still in memory, in seconds."""
_IDLE_S = 0.25
"""Longest poll: how late a stop or a finished delivery is noticed, in seconds."""


@dataclass(kw_only=True)
class _Line:
    """A partition at work: what waits in it, and the task that delivers.

    Attributes:
        first: The first offset that was read.
        following: The offset after the last that was read.
        lost: Whether the group has given the partition anew, to us or to another member;
            nothing is delivered any more.
    """

    lane: Lane
    delivery: Delivery
    task: asyncio.Task[None] | None = None
    first: int | None = None
    following: int = 0
    paused: bool = False
    flushing: bool = False
    lost: bool = False

    def add(self, records: Sequence[Record], *, now: float) -> None:
        """Take records in; offsets that go back say that reading has started again."""
        if self.first is None:
            self.first = records[0].offset
        self.lost |= records[0].offset < self.following
        if not self.lost:
            self.lane.add(records, now=now)
            self.following = records[-1].offset + 1

    def take(self, *, now: float) -> Batch | None:
        """Take the next batch out if it is due, or whatever waits when flushing."""
        return self.lane.flush(now=now) if self.flushing else self.lane.cut(now=now)


@dataclass(kw_only=True)
class Pipeline:
    """Moves reports from the log into the warehouse.

    Attributes:
        topic: The topic.
        consumer: The log, as a member of the consumer group.
        deliveries: Makes the delivery of a partition.
        clock: Time.
        limits: When a batch is due, and how much may wait.
        retry: How to wait for the log to answer.
        metrics: What is counted.
        give_back: Called at the end of a backlog, to return its memory to the system.
    """

    topic: str
    consumer: LogConsumer
    deliveries: Callable[[], Delivery]
    clock: Clock
    limits: EtlSection
    retry: Retry
    metrics: EtlMetrics
    give_back: Callable[[], None] = give_back
    _lines: dict[int, _Line] = field(default_factory=dict)
    _backlog: bool = False
    _calm_since: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then deliver what was read, within the deadline.

        Raises:
            FatalError: A person has to act; nothing is committed past the cause.
        """
        try:
            while not stop.is_set():
                await self.step()
            await self.drain()
        finally:
            await self._cancel([line for line in self._lines.values() if line.task])

    async def step(self) -> None:
        """Poll once and start what is due."""
        polled = await self._poll()
        again = await self._reassign()
        now = self.clock.now()
        for partition, records in polled.items():
            if partition in self._lines and partition not in again:
                self._lines[partition].add(records, now=now)
        for line in self._lines.values():
            self._reap(line)
            self._start(line)
        self._press_back()

    async def drain(self) -> None:
        """Deliver everything that was read, due or not, for as long as the deadline allows."""
        for line in self._lines.values():
            self._reap(line)
            line.flushing = True
            if line.task is None and not line.lane.empty and not line.lost:
                line.task = asyncio.create_task(self._deliver(line))
        tasks = {line.task for line in self._lines.values() if line.task}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self.limits.drain_s)
        for line in self._lines.values():
            if line.task not in late:
                self._reap(line)
        left = sum(line.lane.size for line in self._lines.values())
        if late or left:
            _log.warning("left_to_the_next_start", partitions=len(late), bytes=left)

    async def _poll(self) -> Mapping[int, Sequence[Record]]:
        try:
            return await self.consumer.poll(max_records=_POLL_RECORDS, timeout_s=self._wait_s())
        except LogUnavailableError as error:
            self.metrics.failed(error)
            _log.warning("log_unavailable", reason=str(error))
            await self.clock.sleep(self.retry.backoff.wait_s(1))
            return {}

    def _wait_s(self) -> float:
        """Return how long a poll may wait before some batch is due."""
        now = self.clock.now()
        idle = [line.lane for line in self._lines.values() if line.task is None]
        due = [lane.due_in_s(now=now) for lane in idle]
        return min([_IDLE_S, *(wait for wait in due if wait is not None)])

    async def _reassign(self) -> frozenset[int]:
        """Take up new partitions where their last owner left off; drop those that are gone.

        Returns:
            Those that were lost and are ours all the same: reading starts again at their
            commit, because what was dropped has been read past.
        """
        held = self.consumer.assigned()
        gone = [p for p, line in self._lines.items() if p not in held or line.lost]
        dropped = {partition: self._lines.pop(partition) for partition in gone}
        await self._cancel([*dropped.values()])
        fresh = held - set(self._lines)
        if not fresh:
            return fresh
        self.consumer.resume(fresh)  # they may have been paused when they went
        commits = await self.retry.until_done(
            "committed positions", lambda: self.consumer.committed(fresh)
        )
        for partition in sorted(fresh):
            commit = commits.get(partition)
            promised = intent_of(commit) if commit else None
            lane = Lane(
                topic=self.topic, partition=partition, limits=self.limits, promised=promised
            )
            delivery = self.deliveries()
            delivery.announced(promised)
            if commit is None:
                delivery.unplaced()
            self._lines[partition] = _Line(lane=lane, delivery=delivery)
        again = fresh & set(dropped)
        for partition in again:
            commit, first = commits.get(partition), dropped[partition].first
            self.consumer.seek(partition, commit.offset if commit else first or 0)
        _log.info("partitions_taken", topic=self.topic, partitions=sorted(fresh))
        return again

    def _start(self, line: _Line) -> None:
        if line.lost or line.task is not None:
            return
        if line.lane.due_in_s(now=self.clock.now()) == 0.0:
            line.task = asyncio.create_task(self._deliver(line))

    async def _deliver(self, line: _Line) -> None:
        """Deliver what is due, and what has become due meanwhile."""
        batch = line.take(now=self.clock.now())
        while batch is not None:
            following = line.take(now=self.clock.now())
            await line.delivery.deliver(batch, following.range if following else None)
            batch = following or line.take(now=self.clock.now())

    def _reap(self, line: _Line) -> None:
        """Notice that a delivery has ended, and raise what ended it."""
        if line.task is None or not line.task.done():
            return
        task, line.task = line.task, None
        try:
            task.result()
        except PartitionLostError as error:
            line.lost = True
            _log.warning("partition_lost", partition=line.lane.partition, reason=str(error))

    def _press_back(self) -> None:
        """Hold back partitions whose records would fill the memory; let others go on."""
        crowded = {p for p, line in self._lines.items() if not line.paused and line.lane.crowded}
        roomy = {p for p, line in self._lines.items() if line.paused and line.lane.roomy}
        for partition in crowded | roomy:
            self._lines[partition].paused = partition in crowded
        if crowded:
            self.consumer.pause(frozenset(crowded))
        if roomy:
            self.consumer.resume(frozenset(roomy))
        lanes = self._lines.values()
        waiting = sum(line.lane.size for line in lanes)
        self.metrics.buffered_bytes.set(waiting)
        self.metrics.paused.set(sum(line.paused for line in lanes))
        self._let_go(waiting)

    def _let_go(self, waiting: int) -> None:
        """Let go of a backlog's memory once it is stored; deliveries need not pause for that."""
        if waiting * _BACKLOG > self.limits.max_buffered_bytes:
            self._backlog = True
        calm = self._backlog and waiting * _CALM < self.limits.max_buffered_bytes
        if not calm:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = self.clock.now()
        elif self.clock.now() - self._calm_since >= _CALM_S:
            self._backlog, self._calm_since = False, None
            self.give_back()

    async def _cancel(self, lines: Sequence[_Line]) -> None:
        """End deliveries without a commit."""
        tasks = {line.task for line in lines if line.task}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self.limits.drain_s)
