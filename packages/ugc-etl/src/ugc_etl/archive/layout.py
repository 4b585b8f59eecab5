"""What an archive file says of itself, and its lines."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec import Struct

from ugc_core.log import Headers
from ugc_etl.ports import LedgerEntry
from ugc_etl.replay.spans import Span

FORMAT = 1
SUFFIX = ".parquet"


class ArchivedRange(Struct, frozen=True, kw_only=True):
    """One row of the pipeline's ledger whose records are in the file.

    Attributes:
        first: First offset.
        last: Last offset.
        records: Records in the range.
        lines: Lines in these records, those that were left out included.
        content_hash: The ledger's hash of the raw records; it was recomputed before writing.
    """

    first: int
    last: int
    records: int
    lines: int
    content_hash: str


class ArchiveFile(Struct, frozen=True, kw_only=True):
    """What is known of a file; kept in its footer, and in the manifest.

    Attributes:
        topic: Where the records come from.
        partition: Their partition.
        ranges: What of it, in order.
        lines: Lines that the file holds.
        left_out: Lines that it does not: of erased users, and the erasures themselves.
        erasures: Names the set of erasures that it was held against.
        written_by: Version of the program.
        written_ms: When, Unix milliseconds.
        format: Version of this layout.
    """

    topic: str
    partition: int
    ranges: tuple[ArchivedRange, ...]
    lines: int
    left_out: int
    erasures: str
    written_by: str
    written_ms: int
    format: int = FORMAT

    @property
    def name(self) -> str:
        """The file's name."""
        first = min(one.first for one in self.ranges)
        last = max(one.last for one in self.ranges)
        return f"{self.topic}-{self.partition}-{first}-{last}{SUFFIX}"

    @property
    def spans(self) -> Iterator[Span]:
        """The offsets that it accounts for."""
        for one in self.ranges:
            yield Span(partition=self.partition, start=one.first, end=one.last + 1)


class ArchivedLine(NamedTuple):
    """One line of a record, with everything that the log knew of it.

    Attributes:
        partition: Partition of the topic.
        offset: Offset of the record.
        line: Number of the line within the record, from 0.
        key: The record's key.
        headers: The record's headers.
        timestamp_ms: When the log took the record.
        value: The line.
    """

    partition: int
    offset: int
    line: int
    key: bytes | None
    headers: Headers
    timestamp_ms: int
    value: bytes


def archived_range(entry: LedgerEntry) -> ArchivedRange:
    """Return a row of the ledger as it stands in a file."""
    return ArchivedRange(
        first=entry.range.first,
        last=entry.range.last,
        records=entry.records,
        lines=entry.lines,
        content_hash=entry.content_hash,
    )


def joined(spans: Iterable[Span]) -> Sequence[Span]:
    """Return the spans in order, those that touch as one."""
    found: list[Span] = []
    for span in sorted(spans):
        last = found[-1] if found else None
        if last is not None and last.partition == span.partition and span.start <= last.end:
            found[-1] = Span(
                partition=span.partition, start=last.start, end=max(last.end, span.end)
            )
        else:
            found.append(span)
    return found
