"""Closed ranges of the log, and their records, held against the ledger."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from ugc_core.errors import OffsetOutOfRangeError
from ugc_core.log import LogScanner, Record
from ugc_core.log_pages import pages
from ugc_core.warehouse import Warehouse
from ugc_etl.archive.errors import ArchiveMismatchError
from ugc_etl.miscounts import miscounts
from ugc_etl.ports import LedgerEntry
from ugc_etl.verification.ledger import ledger_entry

_PAGE = 10_000
_RECORDS_AT_ONCE = 500
_READ = """
    SELECT topic, partition, first_offset, last_offset, records, lines, stored, dead, erased,
        content_hash
    FROM ingested FINAL
    WHERE topic = {topic:String} AND partition = {partition:UInt16}
        AND last_offset < {end:UInt64} AND last_offset >= {start:UInt64}
        AND ((first_offset, last_offset) > ({first:UInt64}, {last:UInt64}) OR {begin:Bool})
    ORDER BY first_offset, last_offset
    LIMIT {page:UInt32}
"""


@dataclass(frozen=True, kw_only=True)
class ClosedRanges:
    """Reads the ledger of a topic, and the log.

    Attributes:
        topic: The topic.
        warehouse: Where the ledger is.
        scanner: Reads the log outside of every group.
    """

    topic: str
    warehouse: Warehouse
    scanner: LogScanner

    async def entries(self, partition: int, start: int, end: int) -> AsyncIterator[LedgerEntry]:
        """Yield the ranges that end in `start` to `end`, in order, a page at a time."""
        first = last = 0
        begin = True
        while True:
            parameters = {
                "topic": self.topic,
                "partition": partition,
                "start": start,
                "end": end,
                "first": first,
                "last": last,
                "begin": begin,
                "page": _PAGE,
            }
            answer = await self.warehouse.read(_READ, parameters)
            for row in answer.rows:
                entry = ledger_entry(dict(zip(answer.names, row, strict=True)))
                first, last, begin = entry.range.first, entry.range.last, False
                yield entry
            if len(answer.rows) < _PAGE:
                return

    async def records(self, entry: LedgerEntry) -> Sequence[Record] | None:
        """Return the records of a range, which are what the ledger says; None if they are gone.

        Raises:
            ArchiveMismatchError: They are something else.
        """
        found: list[Record] = []
        where = (self.topic, entry.partition, entry.range.first, entry.range.last + 1)
        try:
            async for page in pages(self.scanner, *where, max_records=_RECORDS_AT_ONCE):
                found += page
        except OffsetOutOfRangeError:
            return None
        _check(entry, found)
        return found


def _check(entry: LedgerEntry, records: Sequence[Record]) -> None:
    wrong = miscounts(entry, records)
    if wrong:
        msg = (
            f"{entry.topic}[{entry.partition}] offsets {entry.range.first} to {entry.range.last}:"
            f" {'; '.join(wrong)}. Nothing of this range was archived; see `ugc verify`"
        )
        raise ArchiveMismatchError(msg)
