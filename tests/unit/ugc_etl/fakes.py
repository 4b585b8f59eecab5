"""Adapters in memory with one trait each, and what is built around them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.unit.ugc_etl.builders import NOW_MS, TOPIC, limits
from ugc_core.adapters.memory_log import MemoryLog, MemoryLogReader
from ugc_core.backoff import Backoff
from ugc_core.clock import ManualClock
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.errors import (
    LogUnavailableError,
    PartitionLostError,
    RowsRefusedError,
    WarehouseUnavailableError,
)
from ugc_core.events import Event
from ugc_core.log import Commit, Headers, Record, Topic
from ugc_etl.adapters.memory_store import MemoryDeadLetters, MemoryStore
from ugc_etl.delivery import Delivery
from ugc_etl.metrics import EtlMetrics
from ugc_etl.pipeline import Pipeline
from ugc_etl.ports import DeadLetter, LedgerEntry, Range
from ugc_etl.retry import Retry
from ugc_etl.rows import Rows

GROUP = "ugc-etl"
MOST_STEPS = 500
"""Steps of a pipeline before a test gives up waiting for something to happen."""


class CrashError(Exception):
    """The process is gone: nobody catches this."""


class Countdown:
    """Counts effects, and crashes after the last one that is allowed."""

    def __init__(self, left: int = 1_000_000) -> None:
        self.left = left
        self.effects: list[str] = []

    def note(self, effect: str) -> None:
        """Note an effect that has just happened."""
        self.effects.append(effect)
        self.left -= 1
        if self.left == 0:
            raise CrashError


class CountedStore(MemoryStore):
    """Tells a countdown of each effect."""

    def __init__(self, countdown: Countdown) -> None:
        super().__init__()
        self.countdown = countdown

    async def insert(self, rows: Rows, *, token: str) -> None:
        await super().insert(rows, token=token)
        self.countdown.note(f"insert {token.split(':')[2]}")

    async def record(self, entry: LedgerEntry) -> None:
        await super().record(entry)
        self.countdown.note(f"ledger {entry.range.first}-{entry.range.last}")


class CountedLetters(MemoryDeadLetters):
    """Tells a countdown of each effect."""

    def __init__(self, countdown: Countdown) -> None:
        super().__init__()
        self.countdown = countdown

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        await super().put(letters)
        self.countdown.note(f"letters {','.join(str(letter.offset) for letter in letters)}")


class FlakyStore(MemoryStore):
    """Down for the first `failures` calls of each kind."""

    def __init__(self, *, failures: int) -> None:
        super().__init__()
        self.failures = {"insert": failures, "record": failures}

    async def insert(self, rows: Rows, *, token: str) -> None:
        self._fail("insert")
        await super().insert(rows, token=token)

    async def record(self, entry: LedgerEntry) -> None:
        self._fail("record")
        await super().record(entry)

    def _fail(self, kind: str) -> None:
        if self.failures[kind]:
            self.failures[kind] -= 1
            msg = "down"
            raise WarehouseUnavailableError(msg)


class FlakyLetters(MemoryDeadLetters):
    """Down for the first `failures` calls."""

    def __init__(self, *, failures: int) -> None:
        super().__init__()
        self.failures = failures

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        if self.failures:
            self.failures -= 1
            msg = "down"
            raise LogUnavailableError(msg)
        await super().put(letters)


class ChoosyStore(MemoryStore):
    """Refuses every insert that holds one of the events it does not like."""

    def __init__(self, *disliked: UUID) -> None:
        super().__init__()
        self.disliked = {*disliked}

    async def insert(self, rows: Rows, *, token: str) -> None:
        if self.disliked & {event.event_id for event in rows.events}:
            msg = "does not fit"
            raise RowsRefusedError(msg)
        await super().insert(rows, token=token)


class GatedStore(MemoryStore):
    """Inserts of the partitions in `closed` wait until `open` is called.

    Attributes:
        waiting: The partitions that wait now.
        inside: Set once one waits.
    """

    def __init__(self, *closed: int) -> None:
        super().__init__()
        self.closed = {*closed}
        self.waiting: set[int] = set()
        self.inside = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Let everything in, from now on."""
        self._opened.set()

    async def insert(self, rows: Rows, *, token: str) -> None:
        if rows.partition in self.closed:
            self.waiting.add(rows.partition)
            self.inside.set()
            await self._opened.wait()
            self.waiting.discard(rows.partition)
        await super().insert(rows, token=token)


class PromptReader(MemoryLogReader):
    """Never waits: where nothing is there, it moves the clock instead."""

    def __init__(self, log: MemoryLog, clock: ManualClock) -> None:
        super().__init__(log, TOPIC, GROUP)
        self.clock = clock
        self.polls = 0

    async def poll(self, *, max_records: int, timeout_s: float) -> Mapping[int, Sequence[Record]]:
        self.polls += 1
        found = self._take(max_records)
        await self.clock.sleep(0 if found else timeout_s)
        return found


class CountedReader(PromptReader):
    """Tells a countdown of each commit."""

    def __init__(self, log: MemoryLog, clock: ManualClock, countdown: Countdown) -> None:
        super().__init__(log, clock)
        self.countdown = countdown

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        await super().commit(commits)
        for commit in commits.values():
            self.countdown.note(f"commit {commit.offset} {commit.metadata}".rstrip())


class FlakyReader(PromptReader):
    """Its log does not answer the first `failures` calls of each kind."""

    def __init__(self, log: MemoryLog, clock: ManualClock, *, failures: int) -> None:
        super().__init__(log, clock)
        self.failures = dict.fromkeys(("poll", "commit", "committed"), failures)

    async def poll(self, *, max_records: int, timeout_s: float) -> Mapping[int, Sequence[Record]]:
        self._fail("poll")
        return await super().poll(max_records=max_records, timeout_s=timeout_s)

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        self._fail("commit")
        await super().commit(commits)

    async def committed(self, partitions: frozenset[int]) -> Mapping[int, Commit]:
        self._fail("committed")
        return await super().committed(partitions)

    def _fail(self, kind: str) -> None:
        if self.failures[kind]:
            self.failures[kind] -= 1
            msg = "down"
            raise LogUnavailableError(msg)


class RebalancedReader(PromptReader):
    """A member of a group whose partitions come and go; a gained one starts at its commit."""

    def __init__(self, log: MemoryLog, clock: ManualClock) -> None:
        super().__init__(log, clock)
        self.lost: set[int] = set()
        self._elsewhere: set[int] = set()

    def lose(self, partition: int) -> None:
        """Give a partition to another member; the next poll notices."""
        self.lost.add(partition)

    def gain(self, partition: int) -> None:
        """Get a partition back, with the next poll."""
        self.lost.discard(partition)
        self._elsewhere.add(partition)

    async def poll(self, *, max_records: int, timeout_s: float) -> Mapping[int, Sequence[Record]]:
        for partition in self.lost | self._elsewhere:
            self._positions.pop(partition, None)
        self._elsewhere.clear()
        return await super().poll(max_records=max_records, timeout_s=timeout_s)

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        if (self.lost | self._elsewhere) & set(commits):
            msg = "not ours any more"
            raise PartitionLostError(msg)
        await super().commit(commits)

    def _position(self, partition: int) -> int:
        if partition in self.lost:
            return self._log.ends(TOPIC, partition).high  # hands out nothing
        return super()._position(partition)

    def assigned(self) -> frozenset[int]:
        return super().assigned() - self.lost


@dataclass(kw_only=True)
class World:
    """What outlives a process: the log, the store and the dead letters; and its clock."""

    clock: ManualClock = field(default_factory=ManualClock)
    log: MemoryLog = field(default_factory=MemoryLog)
    store: Any = field(default_factory=MemoryStore)
    letters: Any = field(default_factory=MemoryDeadLetters)
    metrics: EtlMetrics = field(default_factory=EtlMetrics)

    def __post_init__(self) -> None:
        """Make the topic."""
        self.grow(1)

    def grow(self, partitions: int) -> None:
        """Give the topic so many partitions."""
        self.log.topics[TOPIC] = Topic(name=TOPIC, partitions=partitions, retention_ms=1)

    def append(self, *lines: bytes, partition: int = 0, headers: Headers = EVENT_HEADERS) -> Record:
        """Append one record of these lines."""
        record = Record(
            partition=partition,
            offset=self.log.ends(TOPIC, partition).high,
            key=None,
            value=b"\n".join(lines),
            headers=headers,
            timestamp_ms=NOW_MS,
        )
        self.log.keep(TOPIC, record)
        return record

    def append_each(self, events: Sequence[Event], partition: int = 0) -> None:
        """Append a record for each event."""
        for event in events:
            self.append(encode_event(event), partition=partition)

    def committed(self, partition: int = 0) -> int:
        """Return the offset that the group has committed, 0 at the start."""
        commit = self.log.commits.get((GROUP, TOPIC, partition))
        return commit.offset if commit else 0

    async def oldest(self, partition: int) -> int:
        """Return where the log begins."""
        return self.log.ends(TOPIC, partition).low

    @property
    def caught_up(self) -> bool:
        """Whether everything is committed."""
        return all(
            self.committed(partition) == self.log.ends(TOPIC, partition).high
            for partition in self.log.partitions(TOPIC)
        )

    def tiles(self, partition: int = 0) -> list[Range]:
        """Return the ledger's ranges of a partition in order."""
        entries = self.store.ledger.values()
        return sorted(entry.range for entry in entries if entry.partition == partition)

    def retry(self) -> Retry:
        """Return how to wait."""
        backoff = Backoff(first_s=0.1, most_s=10.0)
        return Retry(clock=self.clock, backoff=backoff, on_failure=self.metrics.failed)

    def delivery(self, committer: Any = None, *, max_bad_in_a_row: int = 1000) -> Delivery:
        """Return a new process's delivery of one partition."""
        return Delivery(
            committer=committer or PromptReader(self.log, self.clock),
            store=self.store,
            dead_letters=self.letters,
            oldest=self.oldest,
            retry=self.retry(),
            metrics=self.metrics,
            max_bad_in_a_row=max_bad_in_a_row,
        )

    def pipeline(self, consumer: Any = None, **changes: object) -> Pipeline:
        """Return a new process's pipeline."""
        bounds = limits(**changes)
        reader = consumer or PromptReader(self.log, self.clock)
        return Pipeline(
            topic=TOPIC,
            consumer=reader,
            deliveries=lambda: self.delivery(reader, max_bad_in_a_row=bounds.max_bad_in_a_row),
            clock=self.clock,
            limits=bounds,
            retry=self.retry(),
            metrics=self.metrics,
        )


async def step_until(pipeline: Pipeline, reached: Callable[[], bool]) -> None:
    """Step until something has happened; give up after `MOST_STEPS`."""
    for _ in range(MOST_STEPS):
        if reached():
            return
        await pipeline.step()
    msg = "it never happened"
    raise AssertionError(msg)


def places(world: World) -> list[tuple[int, int]]:
    """Return where the dead letters came from: the offset, and the line in the record."""
    return sorted((offset, number) for _, _, offset, number in world.letters.letters)


def assert_tiled(world: World, partition: int = 0) -> None:
    """Check that the ledger's ranges tile up to the committed offset."""
    next_offset = 0
    for span in world.tiles(partition):
        assert span.first == next_offset
        next_offset = span.last + 1
    assert next_offset == world.committed(partition)
