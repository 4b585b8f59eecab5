"""The log's ports, one for each role, and what passes through them.

A log is a set of topics; a topic is a set of partitions; a partition is an ordered list of
records with offsets. A record's value is one or more lines, each a report. The adapters in
`ugc_core.adapters` (memory, SQLite, Kafka) keep the same promises, and one contract
suite (tests/contract) holds all of them to it.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

Headers = tuple[tuple[str, bytes], ...]


class Receipt(Struct, frozen=True, kw_only=True, gc=False):
    """Where a line was kept.

    Attributes:
        partition: Partition of the topic.
        offset: Offset of the record in the partition.
        line: Number of the first line of this append within the record, from 0.
    """

    partition: int
    offset: int
    line: int


# gc=False: plain values alone, and a backlog is a hundred thousand of them.
class Record(Struct, frozen=True, kw_only=True, gc=False):
    """One record as it was kept.

    Attributes:
        partition: Partition of the topic.
        offset: Offset in the partition; offsets only rise, and may leave gaps.
        key: Whose record it is; None when lines of several keys were packed into it.
        value: One JSON object a line, joined by line feeds.
        headers: Names and values, as written.
        timestamp_ms: When the log took it, Unix time in milliseconds.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Headers = ()
    timestamp_ms: int


class Commit(Struct, frozen=True, kw_only=True):
    """How far a consumer group has come in one partition.

    Attributes:
        offset: The next offset to read. Past offsets that hold no record, Kafka's marks of
            others' transactions for one, a log may move it on by itself.
        metadata: A short note kept with it, at most 4,096 bytes.
    """

    offset: int
    metadata: str = ""


class Watermarks(Struct, frozen=True, kw_only=True):
    """The ends of a partition.

    Attributes:
        low: The oldest offset that can still be read.
        high: The offset that the next record gets.
    """

    low: int
    high: int


class Topic(Struct, frozen=True, kw_only=True):
    """What a topic should look like.

    Attributes:
        name: Letters, digits, dots, dashes and underscores.
        partitions: How many; may grow, never shrink.
        retention_ms: How long records stay once every group has committed past them; on
            Kafka once they were appended.
        max_record_bytes: Largest record that a broker has to take.
    """

    name: str
    partitions: int
    retention_ms: int
    max_record_bytes: int = 1_048_576


class ChangeKind(StrEnum):
    """What a plan does to a topic."""

    CREATE = "create"
    GROW = "grow"
    RETAIN = "retain"
    CONFIGURE = "configure"


class TopicChange(Struct, frozen=True, kw_only=True):
    """One step from the topics that are there to those that should be.

    Attributes:
        kind: What is done.
        topic: The topic as it will be.
        summary: The same for a person, in a few words.
    """

    kind: ChangeKind
    topic: Topic
    summary: str


MAX_METADATA_BYTES = 4096


class LogWriter(Protocol):
    """Accepts lines for good. Safe for any number of concurrent callers.

    LOG-1: Lines of one key go to one partition, in the order of the calls.
    LOG-2: `append` returns only when the lines survive a crash of any process.
    LOG-3: The lines of one call lie in one record, one after the other, from
        `receipt.line` on; lines of other calls may lie around them.
    LOG-4: Past the bound of what is in flight, `append` fails at once and keeps nothing.
    """

    async def append(self, key: bytes, lines: Sequence[bytes], *, headers: Headers = ()) -> Receipt:
        """Keep `lines` (none with a line feed in it) as one stretch of one record.

        Calls of one partition with equal headers may share a record.

        Raises:
            RecordTooLargeError: No record of that size is taken; nothing was kept.
            LogBusyError: Too much is in flight; nothing of this call was kept.
            LogUnavailableError: No acknowledgement within the deadline, or one that does not
                say where; some, all or none of it may be kept. Appending again is right: the
                lines carry their identity.
            LogDamagedError: The log takes nothing any more; stop the process.
        """


class LogReader(Protocol):
    """Hands records back, partition by partition. One caller at a time.

    What another producer wrote into a transaction is a record once that is committed, and never
    if it is aborted. While it is open nothing behind it in its partition is handed out.

    LOG-5: Reading a partition starts at the group's last commit; without one at its oldest
        record.
    LOG-6: Every record of a partition comes once and in order until `seek` or a restart.
    LOG-7: A paused partition hands out nothing; polling goes on and keeps the membership.
    LOG-8: `seek` makes the next poll start at that offset; one that is gone is an error,
        never a silent jump.
    LOG-9: Partitions that are added later are read from their beginning, without a restart.
    """

    async def poll(self, *, max_records: int, timeout_s: float) -> Mapping[int, Sequence[Record]]:
        """Return what is there by partition, at most `max_records` in all.

        Waits up to `timeout_s` for a first record; empty when none came.

        Raises:
            LogUnavailableError: The log did not answer in time.
            OffsetOutOfRangeError: The position is below the oldest record: some were lost.
        """

    def assigned(self) -> frozenset[int]:
        """Return the partitions this reader holds; they change only within `poll`."""

    def pause(self, partitions: frozenset[int]) -> None:
        """Hand out nothing from these until `resume`."""

    def resume(self, partitions: frozenset[int]) -> None:
        """Hand out records from these again, from where they were paused."""

    def seek(self, partition: int, offset: int) -> None:
        """Continue `partition` at `offset`."""


class LogCommitter(Protocol):
    """Remembers how far a consumer group has come.

    LOG-10: A commit survives every crash once `commit` has returned.
    LOG-11: Offset and metadata are kept and read back together.
    """

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        """Remember these positions; all of them or none.

        Raises:
            PartitionLostError: The partition belongs to another member of the group now.
            LogUnavailableError: The log did not answer in time.
        """

    async def committed(self, partitions: frozenset[int]) -> Mapping[int, Commit]:
        """Return the last commits; a partition without one is absent.

        Raises:
            LogUnavailableError: The log did not answer in time.
        """


class LogAdmin(Protocol):
    """Looks after topics.

    LOG-12: `plan` changes nothing; after `apply` it finds nothing to do.
    LOG-13: `offsets_at` finds, by partition, the first record that is not older than a time.
    LOG-14: Records that are committed for longer than the retention may go; none before.
        A promise of the embedded adapters. Kafka counts from the append and knows nothing of
        commits, so there the retention must exceed the longest outage; what has gone before
        it was read is an `OffsetOutOfRangeError`, never a silent jump.
    """

    async def plan(self, topics: Sequence[Topic]) -> Sequence[TopicChange]:
        """Compare what is there with `topics`.

        Raises:
            ConfigError: A topic would have to lose partitions.
            LogUnavailableError: The log did not answer in time.
        """

    async def apply(self, changes: Sequence[TopicChange]) -> None:
        """Carry the plan out.

        Raises:
            LogUnavailableError: The log did not answer in time.
        """

    async def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        """Return the ends of each partition; empty for an unknown topic.

        Raises:
            LogUnavailableError: The log did not answer in time.
        """

    async def offsets_at(self, topic: str, at_ms: int) -> Mapping[int, int]:
        """Return, by partition, the first offset not older than `at_ms` (else the high mark).

        Raises:
            LogUnavailableError: The log did not answer in time.
        """

    async def committed_by(self, group: str, topic: str) -> Mapping[int, Commit]:
        """Return a group's commits without being a member of it: lag is high mark less offset.

        Raises:
            LogUnavailableError: The log did not answer in time.
        """


class LogScanner(Protocol):
    """Reads any part of a topic again, outside of every consumer group.

    LOG-15: `scan` moves no group and hands out every record of a range that is still there,
        once and in order.
    LOG-16: Records that are gone from a range are an error, never a silent gap.
    """

    async def scan(
        self, topic: str, partition: int, start: int, end: int, *, max_records: int
    ) -> Sequence[Record]:
        """Return the first records with `start` <= offset < `end`; empty when none is left.

        The first one comes whatever its size; more come as long as they are few enough.

        Raises:
            OffsetOutOfRangeError: `start` is below the oldest record, or `end` above the next.
            LogUnavailableError: The log did not answer in time.
        """


class LogScrubber(Protocol):
    """Takes lines out of a log that can: Kafka cannot, there only retention ends a copy.

    LOG-17: After `scrub` no line that it was asked to take out can be read any more, and every
        other line can, at the offset that it had.
    """

    async def scrub(self, topic: str, unwanted: Callable[[bytes], bool]) -> int:
        """Take out every line for which `unwanted` is true; return how many there were.

        Raises:
            LogUnavailableError: The log did not answer in time; scrub again.
        """
