"""Reads a Kafka topic as a member of a consumer group, and keeps the group's commits."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Self

from aiokafka import errors as kafka

from ugc_core.adapters.kafka_client import BROKEN, translated
from ugc_core.adapters.kafka_commits import Commits
from ugc_core.adapters.kafka_consumer import Consumer, Fetched
from ugc_core.adapters.kafka_lookout import Lookout
from ugc_core.adapters.kafka_positions import Positions
from ugc_core.adapters.kafka_queries import KafkaQueries
from ugc_core.adapters.kafka_records import record_of
from ugc_core.errors import ConfigError, LogUnavailableError
from ugc_core.log import Commit, LogCommitter, LogReader, Record
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

    Aborted transactions are never seen. Position and commit move on over what is no record.
    """

    def __init__(self, queries: KafkaQueries, topic: str) -> None:
        """Use `open`; this only wires."""
        self._consumer: Consumer
        self._commits: Commits
        self._lookout: Lookout
        self._queries = queries
        self._topic = topic
        self._positions = Positions()
        """Of what the last poll found ours."""
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
            reader = cls(queries, topic)
            consumer = Consumer.open(target, topic, group, settings, on_given=reader._given)
            reader._consumer = await stack.enter_async_context(consumer)
            reader._commits = Commits(
                consumer=reader._consumer,
                queries=queries,
                positions=reader._positions,
                topic=topic,
                group=group,
                timeout_s=settings.call_timeout_s,
            )
            reader._lookout = Lookout(reader._consumer, queries, topic, settings.kafka)
            yield reader

    @property
    def positions(self) -> Mapping[int, int]:
        """Where each partition is read on."""
        held = self.assigned()
        return {**self._positions.all, **{p: at for p, at in self._sought.items() if p in held}}

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
                self._lookout.moved(found)
                return found
            await self._step_over()
            await self._lookout.look(self._flowing())
            if loop.time() >= until:
                return {}

    def assigned(self) -> frozenset[int]:
        """Every partition that the last poll found ours."""
        return self._positions.held()

    def pause(self, partitions: frozenset[int]) -> None:
        """Hold these back."""
        self._paused |= partitions
        for partition in partitions:
            self._consumer.hold(partition, back=True)

    def resume(self, partitions: frozenset[int]) -> None:
        """Hand these out again."""
        self._paused -= partitions
        for partition in partitions & self._commits.mine():
            self._consumer.hold(partition, back=False)

    def seek(self, partition: int, offset: int) -> None:
        """Continue at `offset`."""
        self._sought[partition] = offset

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        """Remember these positions, in one request."""
        await self._commits.commit(commits)

    async def committed(self, partitions: frozenset[int]) -> Mapping[int, Commit]:
        """Return what was committed."""
        return await self._commits.committed(partitions)

    def _given(self, kept: Mapping[int, bool]) -> None:
        """Undo what aiokafka does with a new assignment: it starts from the commits."""
        positions = self._positions.all
        for partition, unbroken in kept.items():
            placed = unbroken and partition in positions
            self._consumer.seek(partition, positions[partition] if placed else 0)
            if not placed or partition in self._paused:
                self._consumer.hold(partition, back=True)

    async def _started(self) -> None:
        try:
            await self._consumer.started()
        except ConfigError as error:  # it worked before: brokers that start say such things
            raise LogUnavailableError(str(error)) from error

    def _give_up(self) -> bool:
        """Forget the partitions that are not ours any more; return whether there were any."""
        lost = self.assigned() - self._commits.mine()
        for partition in lost:
            self._positions.drop(partition)
            self._sought.pop(partition, None)
        return bool(lost)

    async def _place(self) -> None:
        """Start new partitions where the group left off, and look at sought positions."""
        leases = dict(self._consumer.membership.leases)
        held = self.assigned()
        fresh = leases.keys() - held
        moved = fresh | (self._sought.keys() & held)
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
            lease, commit = leases[partition], commits.get(partition)
            if self._consumer.membership.leases.get(partition) == lease:
                position = places.get(partition, ends[partition].low)
                self._positions.start(partition, position, lease=lease, commit=commit)
                self._start(partition, position)

    def _start(self, partition: int, position: int) -> None:
        if self._sought.get(partition) == position:
            del self._sought[partition]
        self._consumer.seek(partition, position)
        if partition not in self._paused:
            self._consumer.hold(partition, back=False)

    async def _fetch(self, max_records: int, wait_s: float) -> dict[int, list[Record]]:
        try:
            fetched = await self._consumer.fetch(max_records=max_records, wait_s=wait_s)
        except kafka.OffsetOutOfRangeError as error:
            positions = self._positions.all
            for place in error.args[0]:
                if place.partition in positions:  # the next round says what is wrong
                    self._sought.setdefault(place.partition, positions[place.partition])
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
        mine, positions = self._commits.mine(), self._positions.all
        for place, records in fetched.items():
            partition = place.partition
            if partition not in mine or partition in self._sought or not records:
                continue  # the next round starts it where it should
            following = positions[partition]
            expected = records[0].offset >= following
            taken = records[:max_records] if expected and partition not in self._paused else []
            if taken:
                found[partition] = [*map(record_of, taken)]
                following = taken[-1].offset + 1
                self._positions.handed_out(partition, following)
                max_records -= len(taken)
            if len(taken) < len(records):
                self._consumer.seek(partition, following)
        return found

    def _flowing(self) -> frozenset[int]:
        """Those from which records come just now."""
        return self._commits.mine() - self._paused - self._sought.keys()

    async def _step_over(self) -> None:
        """Let positions and commits follow a consumer over offsets that hold no record."""
        if self._consumer.fetching or self._consumer.membership.since is not None:
            return
        for partition in self._flowing():
            at = await self._consumer.position(partition)
            if at is not None and partition in self._commits.mine():
                self._positions.stepped_over(partition, at)
        await self._commits.follow()


if TYPE_CHECKING:  # mypy proves here that the adapter fits both ports
    _reader: type[LogReader] = KafkaLogReader
    _committer: type[LogCommitter] = KafkaLogReader
