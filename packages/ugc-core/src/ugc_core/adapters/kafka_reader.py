"""Reads a Kafka topic as a member of a consumer group, and keeps the group's commits."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Self

from aiokafka import errors as kafka

from ugc_core.adapters.kafka_client import BROKEN, translated, within
from ugc_core.adapters.kafka_consumer import Consumer, Fetched
from ugc_core.adapters.kafka_queries import KafkaQueries
from ugc_core.adapters.kafka_records import record_of
from ugc_core.adapters.kafka_watchdog import Watchdog
from ugc_core.errors import ConfigError, LogUnavailableError, PartitionLostError
from ugc_core.log import MAX_METADATA_BYTES, Commit, LogCommitter, LogReader, Record
from ugc_core.log_rules import check_position
from ugc_core.settings import LogSection
from ugc_core.urls import KafkaLogTarget

_ROUND_S = 0.25
"""Longest wait for records before rebalances and stuck clients are looked for, in seconds."""


class KafkaLogReader:
    """One member of a group.

    A partition is read from the group's commit on when it is given to us, or given to us anew
    after it may have been another's. In the second case it is absent from `assigned` for one
    poll first: whoever works on it can see that this work is void.
    """

    def __init__(self, queries: KafkaQueries, topic: str, group: str, settings: LogSection) -> None:
        """Use `open`; this only wires."""
        self._consumer: Consumer
        self._queries = queries
        self._topic = topic
        self._group = group
        self._timeout_s = settings.call_timeout_s
        self._watchdog = Watchdog(
            stuck_s=settings.kafka.stuck_after_s, rebalance_s=settings.kafka.rebalance_timeout_s
        )
        self._held: dict[int, int] = {}
        """By partition, the lease under which the last poll found it ours."""
        self._positions: dict[int, int] = {}
        self._sought: dict[int, int] = {}
        """Positions that have still to be looked at: whether the log has them."""
        self._paused: frozenset[int] = frozenset()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, target: KafkaLogTarget, topic: str, group: str, settings: LogSection
    ) -> AsyncIterator[Self]:
        """Connect and ask to join `group`, to read `topic`.

        Raises:
            ConfigError: Kafka refuses us.
            LogUnavailableError: No broker answers, or there is no such topic.
        """
        async with AsyncExitStack() as stack:
            queries = await stack.enter_async_context(KafkaQueries.open(target, settings))
            if not await queries.partitions(topic):
                msg = f"topic {topic} does not exist; run `ugc init`"
                raise LogUnavailableError(msg)
            reader = cls(queries, topic, group, settings)
            consumer = Consumer.open(target, topic, group, settings, on_given=reader._given)
            reader._consumer = await stack.enter_async_context(consumer)
            yield reader

    @property
    def positions(self) -> Mapping[int, int]:
        """Where each partition is read on."""
        return self._positions | {p: at for p, at in self._sought.items() if p in self._held}

    async def poll(self, *, max_records: int, timeout_s: float) -> Mapping[int, Sequence[Record]]:
        """Return what has come, or wait for it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while True:
            await self._started()
            if self._give_up():
                return {}
            await self._place()
            left_s = max(until - loop.time(), 0.0)
            found = await self._fetch(max_records, min(left_s, _ROUND_S))
            if found:
                self._watchdog.moved(found, loop.time())
                return found
            await self._look()
            if loop.time() >= until:
                return {}

    def assigned(self) -> frozenset[int]:
        """Every partition that the last poll found ours."""
        return frozenset(self._held)

    def pause(self, partitions: frozenset[int]) -> None:
        """Hold these back."""
        self._paused |= partitions
        for partition in partitions:
            self._consumer.hold(partition, back=True)

    def resume(self, partitions: frozenset[int]) -> None:
        """Hand these out again."""
        self._paused -= partitions
        for partition in partitions & self._mine():
            self._consumer.hold(partition, back=False)

    def seek(self, partition: int, offset: int) -> None:
        """Continue at `offset`."""
        self._sought[partition] = offset

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        """Remember these positions, in one request."""
        for commit in commits.values():
            if len(commit.metadata.encode()) > MAX_METADATA_BYTES:
                msg = f"a commit's metadata has more than {MAX_METADATA_BYTES} bytes"
                raise ValueError(msg)
        await within(self._timeout_s, "commit", partial(self._commit, commits))

    async def committed(self, partitions: frozenset[int]) -> Mapping[int, Commit]:
        """Return what was committed."""
        return await self._queries.commits(self._group, self._topic, partitions)

    def _mine(self) -> frozenset[int]:
        """Those that are ours under the lease that the caller has seen."""
        leases = self._consumer.membership.leases
        return frozenset(p for p, lease in self._held.items() if leases.get(p) == lease)

    def _given(self, kept: Mapping[int, bool]) -> None:
        """Undo what aiokafka does with a new assignment: it starts from the commits."""
        for partition, unbroken in kept.items():
            placed = unbroken and partition in self._positions
            self._consumer.seek(partition, self._positions[partition] if placed else 0)
            if not placed or partition in self._paused:
                self._consumer.hold(partition, back=True)

    async def _started(self) -> None:
        try:
            await self._consumer.started()
        except ConfigError as error:  # it worked before: brokers that start say such things
            raise LogUnavailableError(str(error)) from error

    def _give_up(self) -> bool:
        """Forget the partitions that are not ours any more; return whether there were any."""
        lost = self._held.keys() - self._mine()
        for partition in lost:
            del self._held[partition], self._positions[partition]
            self._sought.pop(partition, None)
        return bool(lost)

    async def _place(self) -> None:
        """Start new partitions where the group left off, and look at sought positions."""
        leases = dict(self._consumer.membership.leases)
        fresh = leases.keys() - self._held.keys()
        moved = fresh | (self._sought.keys() & self._held.keys())
        if not moved:
            return
        sought = {p: at for p, at in self._sought.items() if p in moved}
        unsought = fresh - sought.keys()
        commits = await self.committed(frozenset(unsought)) if unsought else {}
        ends = await self._queries.ends(self._topic, moved)
        places = {p: commit.offset for p, commit in commits.items()} | sought
        # All of them before any is read: an error must not swallow another one's records.
        for partition in sorted(moved & ends.keys()):
            position = places.get(partition, ends[partition].low)
            check_position(self._topic, partition, position, ends[partition])
        for partition in moved & ends.keys():
            if self._consumer.membership.leases.get(partition) == leases[partition]:
                self._held[partition] = leases[partition]
                self._start(partition, places.get(partition, ends[partition].low))

    def _start(self, partition: int, position: int) -> None:
        if self._sought.get(partition) == position:
            del self._sought[partition]
        self._positions[partition] = position
        self._consumer.seek(partition, position)
        if partition not in self._paused:
            self._consumer.hold(partition, back=False)

    async def _fetch(self, max_records: int, wait_s: float) -> dict[int, list[Record]]:
        try:
            fetched = await self._consumer.fetch(max_records=max_records, wait_s=wait_s)
        except kafka.OffsetOutOfRangeError as error:
            for place in error.args[0]:
                if place.partition in self._positions:  # the next round says what is wrong
                    self._sought.setdefault(place.partition, self._positions[place.partition])
            return {}
        except kafka.NoOffsetForPartitionError:
            return {}  # it was given to us this moment; the next round places it
        except kafka.TopicAuthorizationFailedError as error:
            raise translated(error, f"read {self._topic}") from error
        except BROKEN as error:
            self._consumer.throw_away(str(error))
            raise translated(error, f"read {self._topic}") from error
        return self._taken(fetched, max_records)

    def _taken(self, fetched: Fetched, max_records: int) -> dict[int, list[Record]]:
        """Return what is to be handed out; aiokafka reads the rest again later."""
        found: dict[int, list[Record]] = {}
        mine = self._mine()
        for place, records in fetched.items():
            partition = place.partition
            if partition not in mine or partition in self._sought or not records:
                continue  # the next round starts it where it should
            expected = records[0].offset >= self._positions[partition]
            taken = records[:max_records] if expected and partition not in self._paused else []
            if taken:
                found[partition] = [*map(record_of, taken)]
                self._positions[partition] = taken[-1].offset + 1
                max_records -= len(taken)
            if len(taken) < len(records):
                self._consumer.seek(partition, self._positions[partition])
        return found

    async def _commit(self, commits: Mapping[int, Commit], _: int) -> None:
        consumer = await self._consumer.started()
        places = {p: self._consumer.place(p) for p in commits.keys() & self._mine()}
        lost = sorted(p for p in commits if places.get(p) is None)
        if lost:
            msg = f"{self._topic}{lost} belongs to another member of {self._group} by now"
            raise PartitionLostError(msg)
        try:
            await consumer.commit({places[p]: (c.offset, c.metadata) for p, c in commits.items()})
        except kafka.CommitFailedError as error:
            if isinstance(error.__cause__, kafka.RebalanceInProgressError):
                raise kafka.NodeNotReadyError("the group shares out anew") from error  # noqa: EM101
            raise PartitionLostError(str(error)) from error
        except kafka.IllegalStateError as error:
            raise PartitionLostError(str(error)) from error

    async def _look(self) -> None:
        """Throw a consumer away that stands still."""
        now = asyncio.get_running_loop().time()
        if self._watchdog.waits_too_long(self._consumer.membership.since, now):
            self._consumer.throw_away("the group has not shared out its partitions in time")
        if not self._watchdog.due(now):
            return
        wanted = self._mine() - self._paused - self._sought.keys()
        ends = await self._queries.ends(self._topic, wanted) if wanted else {}
        positions = {p: at for p in wanted if (at := await self._consumer.position(p)) is not None}
        partition = self._watchdog.stuck(positions, ends, now)
        if partition is not None:
            at, high = positions[partition], ends[partition].high
            self._consumer.throw_away(f"partition {partition} stands at {at}, it ends at {high}")


if TYPE_CHECKING:  # mypy proves here that the adapter fits both ports
    _reader: type[LogReader] = KafkaLogReader
    _committer: type[LogCommitter] = KafkaLogReader
