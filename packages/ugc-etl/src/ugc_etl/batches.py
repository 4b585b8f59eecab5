"""Which records go into one insert, and when: decisions without effects."""

import hashlib
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ugc_core.codec import is_erasure
from ugc_core.log import Record
from ugc_core.settings import EtlSection
from ugc_etl.ports import Range

_HASHED_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Records of one partition that are inserted together, in order."""

    topic: str
    partition: int
    records: Sequence[Record]

    @property
    def range(self) -> Range:
        """First and last offset."""
        return Range(first=self.records[0].offset, last=self.records[-1].offset)

    @property
    def next_offset(self) -> int:
        """Where reading goes on once this batch is stored."""
        return self.records[-1].offset + 1

    @property
    def is_erasure(self) -> bool:
        """Whether this is an erasure record; it stands alone in its batch."""
        return is_erasure(self.records[0].headers)

    def content_hash(self) -> str:
        """Return a hash of the raw bytes and their offsets, hexadecimal."""
        digest = hashlib.blake2b(digest_size=16)
        for start in range(0, len(self.records), _HASHED_AT_ONCE):
            some = self.records[start : start + _HASHED_AT_ONCE]
            values = [b"%d:%d:%b" % (r.offset, len(r.value), r.value) for r in some]
            digest.update(b"".join(values))
        return digest.hexdigest()

    def token(self, content_hash: str) -> str:
        """Return the deduplication token: it binds the range and the content."""
        span = self.range
        return f"{self.topic}:{self.partition}:{span.first}-{span.last}:{content_hash}"


@dataclass(kw_only=True)
class Lane:
    """What waits in one partition.

    Attributes:
        promised: A range that an earlier owner said it would insert; the first batch is
            exactly that one, so that it repeats the same token. One that does not fit into
            memory is given up: tokens only save work.
    """

    topic: str
    partition: int
    limits: EtlSection
    promised: Range | None = None
    size: int = 0
    _waiting: deque[tuple[Record, int, bool]] = field(default_factory=deque)
    """Records, how many lines each has, and whether it is an erasure."""
    _rows: int = 0
    _opened_at: float = 0.0

    @property
    def crowded(self) -> bool:
        """Whether more would be too much to keep in memory."""
        return self.size >= self.limits.max_buffered_bytes

    @property
    def roomy(self) -> bool:
        """Whether there is room again, with some distance to `crowded`."""
        return self.size < self.limits.max_buffered_bytes // 2

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def add(self, records: Iterable[Record], *, now: float) -> None:
        """Take records in; the first one starts the age."""
        if not self._waiting:
            self._opened_at = now
        size, rows, headers, erasure = self.size, self._rows, None, False
        for record in records:
            if record.headers is not headers:  # mostly those of the record before
                headers = record.headers
                erasure = is_erasure(headers)
            lines = count_lines(record)
            self._waiting.append((record, lines, erasure))
            size += len(record.value)
            rows += lines
        self.size, self._rows = size, rows
        if self._promise_is_short and self.crowded:
            # An owner with larger limits made it; waiting for the rest would be for ever.
            self.promised = None

    def due_in_s(self, *, now: float) -> float | None:
        """Return the seconds until a batch is due; 0 if it is, None if nothing waits."""
        if not self._waiting:
            return None
        if self.promised is not None:
            return None if self._promise_is_short else 0.0
        if self._rows >= self.limits.max_rows or self.size >= self.limits.max_bytes:
            return 0.0
        return max(self._opened_at + self.limits.max_age_s - now, 0.0)

    def cut(self, *, now: float) -> Batch | None:
        """Take the next batch out if it is due."""
        if self.due_in_s(now=now) != 0.0:
            return None
        return self.flush(now=now)

    def flush(self, *, now: float) -> Batch | None:
        """Take the next batch out, due or not; None if nothing waits.

        A promised range that is not whole yet stays: half of it would be another batch.
        """
        if not self._waiting or self._promise_is_short:
            return None
        taken = self._take()
        self.promised = None
        self._opened_at = now
        return Batch(topic=self.topic, partition=self.partition, records=taken)

    @property
    def _promise_is_short(self) -> bool:
        """Whether records of the promised range are still to come."""
        if self.promised is None or not self._waiting:
            return False
        return self._waiting[-1][0].offset < self.promised.last

    def _take(self) -> list[Record]:
        taken: list[Record] = []
        rows = size = 0
        waiting, promised = self._waiting, self.promised
        most_rows, most_bytes = self.limits.max_rows, self.limits.max_bytes
        while waiting:
            record, lines, erasure = waiting[0]
            if taken:  # a batch is never empty, and one record is never split
                if erasure:
                    break  # everything before it is stored first
                if promised is not None:
                    if record.offset > promised.last:
                        break
                elif rows + lines > most_rows or size + len(record.value) > most_bytes:
                    break
            waiting.popleft()
            taken.append(record)
            rows += lines
            size += len(record.value)
            if erasure:
                break  # and nothing after it before the user is gone
        self._rows -= rows
        self.size -= size
        return taken


def count_lines(record: Record) -> int:
    """Return how many lines a record holds; a final line feed ends the last one."""
    return record.value.count(b"\n") + (not record.value.endswith(b"\n"))
