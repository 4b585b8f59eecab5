"""The log in this process's memory: the reference that the contract is written against."""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ugc_core.clock import Clock, SystemClock
from ugc_core.errors import LogBusyError, LogUnavailableError
from ugc_core.log import (
    Commit,
    Headers,
    LogAdmin,
    LogCommitter,
    LogReader,
    LogScanner,
    LogScrubber,
    LogWriter,
    Receipt,
    Record,
    Topic,
    TopicChange,
    Watermarks,
)
from ugc_core.log_operator import Copies, LogOperator, Member, Server
from ugc_core.log_rules import check_position, check_range, group_in_use, plan_topics, without
from ugc_core.partitioner import partition_for


@dataclass(kw_only=True)
class MemoryLog:
    """What a broker would hold; `close` and reopen the roles around it at will."""

    clock: Clock = field(default_factory=SystemClock)
    topics: dict[str, Topic] = field(default_factory=dict)
    records: dict[tuple[str, int], list[Record]] = field(default_factory=dict)
    low: dict[tuple[str, int], int] = field(default_factory=dict)
    high: dict[tuple[str, int], int] = field(default_factory=dict)
    commits: dict[tuple[str, str, int], Commit] = field(default_factory=dict)
    readers: set[tuple[str, str]] = field(default_factory=set)
    """Group and topic of whoever reads just now."""
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def partitions(self, topic: str) -> range:
        """Return the partitions of a topic; none for an unknown one."""
        found = self.topics.get(topic)
        return range(found.partitions if found else 0)

    def keep(self, topic: str, record: Record) -> None:
        """Put a record at the end of its partition."""
        self.records.setdefault((topic, record.partition), []).append(record)
        self.high[topic, record.partition] = record.offset + 1
        self.grown.set()

    def trim(self, topic: str, partition: int, below: int) -> None:
        """Forget the records below an offset, as retention does."""
        kept = self.records.get((topic, partition), [])
        self.records[topic, partition] = [r for r in kept if r.offset >= below]
        self.low[topic, partition] = max(self.low.get((topic, partition), 0), below)

    def ends(self, topic: str, partition: int) -> Watermarks:
        """Return a partition's watermarks."""
        low = self.low.get((topic, partition), 0)
        return Watermarks(low=low, high=self.high.get((topic, partition), low))


class MemoryLogWriter:
    """Appends to a `MemoryLog`; every call is a record of its own."""

    def __init__(self, log: MemoryLog, topic: str, *, max_in_flight: int = 4096) -> None:
        """Write to one topic."""
        self._log = log
        self._topic = topic
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    async def append(self, key: bytes, lines: Sequence[bytes], *, headers: Headers = ()) -> Receipt:
        """Keep the lines in the partition of the key."""
        if self._in_flight >= self._max_in_flight:
            msg = f"{self._in_flight} appends are under way already; try again in a moment"
            raise LogBusyError(msg)
        self._in_flight += 1
        try:
            await asyncio.sleep(0)
            return self._append(key, lines, headers)
        finally:
            self._in_flight -= 1

    def _append(self, key: bytes, lines: Sequence[bytes], headers: Headers) -> Receipt:
        partitions = self._log.partitions(self._topic)
        if not partitions:
            msg = f"topic {self._topic} does not exist; run `ugc init`"
            raise LogUnavailableError(msg)
        partition = partition_for(key, len(partitions))
        offset = self._log.ends(self._topic, partition).high
        record = Record(
            partition=partition,
            offset=offset,
            key=key,
            value=b"\n".join(lines),
            headers=(*headers, ("lines", str(len(lines)).encode())),
            timestamp_ms=self._log.clock.wall_ms(),
        )
        self._log.keep(self._topic, record)
        return Receipt(partition=partition, offset=offset, line=0)


class MemoryLogReader:
    """Reads and commits for one group; the only member of it."""

    def __init__(self, log: MemoryLog, topic: str, group: str) -> None:
        """Read one topic."""
        self._log = log
        self._topic = topic
        self._group = group
        self._positions: dict[int, int] = {}
        self._paused: frozenset[int] = frozenset()
        log.readers.add((group, topic))

    def leave(self) -> None:
        """Read no more for the group."""
        self._log.readers.discard((self._group, self._topic))

    async def poll(self, *, max_records: int, timeout_s: float) -> Mapping[int, Sequence[Record]]:
        """Return what is there, or wait for it."""
        self._log.grown.clear()
        found = self._take(max_records)
        if not found:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._log.grown.wait()
            except TimeoutError:
                return {}
            found = self._take(max_records)
        return found

    def assigned(self) -> frozenset[int]:
        """Every partition seen by the last poll."""
        return frozenset(self._positions)

    def pause(self, partitions: frozenset[int]) -> None:
        """Hold these back."""
        self._paused |= partitions

    def resume(self, partitions: frozenset[int]) -> None:
        """Hand these out again."""
        self._paused -= partitions

    def seek(self, partition: int, offset: int) -> None:
        """Continue at `offset`."""
        self._positions[partition] = offset

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        """Remember these positions."""
        for partition, commit in commits.items():
            self._log.commits[self._group, self._topic, partition] = commit

    async def committed(self, partitions: frozenset[int]) -> Mapping[int, Commit]:
        """Return what was committed."""
        keys = {p: (self._group, self._topic, p) for p in partitions}
        return {p: self._log.commits[key] for p, key in keys.items() if key in self._log.commits}

    def _take(self, max_records: int) -> dict[int, list[Record]]:
        found: dict[int, list[Record]] = {}
        # All of them before any is read: an error must not swallow another one's records.
        positions = {p: self._position(p) for p in self._log.partitions(self._topic)}
        for partition, position in positions.items():
            if partition in self._paused or max_records <= 0:
                continue
            kept = self._log.records.get((self._topic, partition), [])
            start = bisect_left(kept, position, key=lambda record: record.offset)
            if taken := kept[start : start + max_records]:
                found[partition] = taken
                self._positions[partition] = taken[-1].offset + 1
                max_records -= len(taken)
        return found

    def _position(self, partition: int) -> int:
        ends = self._log.ends(self._topic, partition)
        if partition not in self._positions:
            commit = self._log.commits.get((self._group, self._topic, partition))
            self._positions[partition] = commit.offset if commit else ends.low
        return check_position(self._topic, partition, self._positions[partition], ends)


class MemoryLogAdmin:
    """Topics of a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        """Look after all topics."""
        self._log = log

    async def plan(self, topics: Sequence[Topic]) -> Sequence[TopicChange]:
        """Compare."""
        return plan_topics(self._log.topics, topics)

    async def apply(self, changes: Sequence[TopicChange]) -> None:
        """Change."""
        for change in changes:
            self._log.topics[change.topic.name] = change.topic

    async def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        """Return the ends."""
        return {p: self._log.ends(topic, p) for p in self._log.partitions(topic)}

    async def offsets_at(self, topic: str, at_ms: int) -> Mapping[int, int]:
        """Search."""
        found: dict[int, int] = {}
        for partition in self._log.partitions(topic):
            kept = self._log.records.get((topic, partition), [])
            newer = (record.offset for record in kept if record.timestamp_ms >= at_ms)
            found[partition] = next(newer, self._log.ends(topic, partition).high)
        return found

    async def committed_by(self, group: str, topic: str) -> Mapping[int, Commit]:
        """Return what a group committed."""
        keys = {p: (group, topic, p) for p in self._log.partitions(topic)}
        return {p: self._log.commits[key] for p, key in keys.items() if key in self._log.commits}


class MemoryLogScanner:
    """Ranges of a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        """Read all topics."""
        self._log = log

    async def scan(
        self, topic: str, partition: int, start: int, end: int, *, max_records: int
    ) -> Sequence[Record]:
        """Return records of the range."""
        check_range(topic, partition, start, end, self._log.ends(topic, partition))
        kept = self._log.records.get((topic, partition), [])
        inside = [record for record in kept if start <= record.offset < end]
        return inside[:max_records]


class MemoryLogOperator:
    """Groups of a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        """Look after all groups."""
        self._log = log

    async def members(self, group: str, topic: str) -> Sequence[Member]:
        """Return the only reader, if there is one."""
        if (group, topic) not in self._log.readers:
            return []
        partitions = tuple(self._log.partitions(topic))
        return [Member(client="memory", host="here", name=group, partitions=partitions)]

    async def move(self, group: str, topic: str, positions: Mapping[int, int]) -> None:
        """Set positions."""
        if found := await self.members(group, topic):
            raise group_in_use(group, found)
        for partition, offset in positions.items():
            self._log.commits[group, topic, partition] = Commit(offset=offset)

    async def server(self) -> Server:
        """Return that it is this process."""
        return Server(name="memory", version="1")

    async def copies(self, topic: str) -> Mapping[int, Copies]:
        """Return that everything is there once."""
        return dict.fromkeys(self._log.partitions(topic), Copies())


class MemoryLogScrubber:
    """Lines of a `MemoryLog`."""

    def __init__(self, log: MemoryLog) -> None:
        """Scrub any topic."""
        self._log = log

    async def scrub(self, topic: str, unwanted: Callable[[bytes], bool]) -> int:
        """Take lines out; a record that has none left goes with them."""
        gone = 0
        for partition in self._log.partitions(topic):
            kept: list[Record] = []
            for record in self._log.records.get((topic, partition), []):
                rest, taken = without(record.value, unwanted)
                gone += taken
                if rest is not None:
                    kept.append(replace(record, value=rest))
            self._log.records[topic, partition] = kept
        return gone


if TYPE_CHECKING:  # mypy proves here that the adapters fit their ports
    _writer: type[LogWriter] = MemoryLogWriter
    _reader: type[LogReader] = MemoryLogReader
    _committer: type[LogCommitter] = MemoryLogReader
    _admin: type[LogAdmin] = MemoryLogAdmin
    _scanner: type[LogScanner] = MemoryLogScanner
    _scrubber: type[LogScrubber] = MemoryLogScrubber
    _operator: type[LogOperator] = MemoryLogOperator
