"""The ledger against itself, and against the records that it tells of."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ugc_core.warehouse import Warehouse
from ugc_etl.batches import count_lines
from ugc_etl.miscounts import miscounts
from ugc_etl.ports import LedgerEntry, Range
from ugc_etl.verification.findings import Finding, Findings, Kind
from ugc_etl.verification.log_view import LogView
from ugc_etl.verification.tiling import Extent, Hole, Overlap, Tiling

KINDS = frozenset({Kind.GAP, Kind.OVERLAP, Kind.UNBALANCED, Kind.MISCOUNTED, Kind.REPLACED})
_PAGE = 20_000
_READ = """
    SELECT topic, partition, first_offset, last_offset, records, lines, stored, dead, erased,
        content_hash
    FROM ingested FINAL
    WHERE topic = {topic:String} AND partition = {partition:UInt16}
        AND (first_offset > {first:UInt64} OR (first_offset = {first:UInt64}
            AND (last_offset > {last:UInt64} OR {start:Bool})))
    ORDER BY first_offset, last_offset
    LIMIT {page:UInt32}
"""
_REPLAY = "ugc replay log --gaps"


class Graves(Struct, frozen=True, kw_only=True):
    """A batch with dead lines.

    Attributes:
        partition: Its partition.
        range: Its records.
        dead: How many of its lines are dead letters.
    """

    partition: int
    range: Range
    dead: int


@dataclass(kw_only=True)
class LedgerFacts:
    """What the ledger check has counted.

    Attributes:
        batches: Batches up to the committed offsets.
        checked: Those of them whose records are still in the log.
        lines: Lines of all batches; `stored`, `dead` and `erased` are their parts.
        readable_lines: Lines of the batches that are still in the log.
        waiting: Records that are appended and not ingested yet.
        graves: The batches with dead lines.
    """

    batches: int = 0
    checked: int = 0
    lines: int = 0
    stored: int = 0
    dead: int = 0
    erased: int = 0
    readable_lines: int = 0
    waiting: int = 0
    graves: list[Graves] = field(default_factory=list)


@dataclass(kw_only=True)
class LedgerCheck:
    """Goes through the ledger of one topic, partition by partition."""

    warehouse: Warehouse
    log: LogView
    findings: Findings
    facts: LedgerFacts = field(default_factory=LedgerFacts)

    async def run(self, extents: Mapping[int, Extent]) -> LedgerFacts:
        """Check every partition up to its committed offset."""
        for partition, reach in extents.items():
            extent = reach
            self.facts.waiting += max(extent.high - extent.committed, 0)
            if extent.committed > extent.high:
                self._add_replaced(partition, extent)
                extent = replace(extent, committed=extent.high)
            tiling = Tiling(extent)
            async for entry in self._entries(partition):
                if entry.range.first >= extent.committed:
                    break
                for problem in tiling.take(entry.range):
                    await self._report(partition, problem)
                await self._check(entry)
            for hole in tiling.close():
                await self._report(partition, hole)
        return self.facts

    async def _entries(self, partition: int) -> AsyncIterator[LedgerEntry]:
        """Yield the ledger's rows in order, a page at a time."""
        first = last = 0
        start = True
        while True:
            parameters = {
                "topic": self.log.topic,
                "partition": partition,
                "first": first,
                "last": last,
                "start": start,
                "page": _PAGE,
            }
            answer = await self.warehouse.read(_READ, parameters)
            for row in answer.rows:
                yield ledger_entry(dict(zip(answer.names, row, strict=True)))
            if len(answer.rows) < _PAGE:
                return
            first, last = (int(str(value)) for value in answer.rows[-1][2:4])
            start = False

    async def _check(self, entry: LedgerEntry) -> None:
        facts = self.facts
        facts.batches += 1
        facts.lines += entry.lines
        facts.stored += entry.stored
        facts.dead += entry.dead
        facts.erased += entry.erased
        if entry.dead:
            graves = Graves(partition=entry.partition, range=entry.range, dead=entry.dead)
            facts.graves.append(graves)
        if entry.lines != entry.stored + entry.dead + entry.erased:
            detail = (
                f"{entry.lines} lines, but {entry.stored} stored + {entry.dead} dead"
                f" + {entry.erased} erased"
            )
            self._add(Kind.UNBALANCED, entry.partition, entry.range, detail)
        await self._compare(entry)

    async def _compare(self, entry: LedgerEntry) -> None:
        """Hold a row against its records, if all of them are still there."""
        span, partition = entry.range, entry.partition
        if span.first < self.log.lows[partition]:
            return
        found = [record async for record in self.log.records(partition, span.first, span.last + 1)]
        if span.first < self.log.lows[partition]:
            return  # retention has taken some while they were read
        self.facts.checked += 1
        lines = sum(map(count_lines, found))
        self.facts.readable_lines += lines
        if not found:
            self._add(Kind.MISCOUNTED, partition, span, "the log has no record in this range")
            return
        wrong = miscounts(entry, found)
        if wrong:
            self._add(Kind.MISCOUNTED, partition, span, "; ".join(wrong))

    async def _report(self, partition: int, problem: Hole | Overlap) -> None:
        match problem:
            case Overlap(one, other):
                detail = f"offsets {one.first} to {one.last} are another batch's"
                self._add(Kind.OVERLAP, partition, other, detail, fault=False)
            case Hole():
                await self._report_hole(partition, problem)

    async def _report_hole(self, partition: int, hole: Hole) -> None:
        """Offsets may be missing; records may not."""
        span = Range(first=hole.start, last=hole.end - 1)
        records = lines = 0
        async for record in self.log.records(partition, hole.start, hole.end):
            records += 1
            lines += count_lines(record)
        gone = hole.start < self.log.lows[partition]
        if not records and not gone:
            return
        detail = f"{records} records with {lines} lines were committed past and not accounted for"
        if gone:
            detail += (
                f"; the log begins at offset {self.log.lows[partition]}, so older ones are gone"
            )
        self._add(
            Kind.GAP,
            partition,
            span,
            detail,
            then=_REPLAY if records else "look for the range in an archive",
        )

    def _add_replaced(self, partition: int, extent: Extent) -> None:
        detail = (
            f"committed up to {extent.committed}, and the log ends at {extent.high}: it was"
            " replaced or cut"
        )
        span = Range(first=extent.high, last=extent.committed - 1)
        self._add(Kind.REPLACED, partition, span, detail, then="ugc status")

    def _add(
        self,
        kind: Kind,
        partition: int,
        span: Range,
        detail: str,
        *,
        fault: bool = True,
        then: str = "",
    ) -> None:
        subject = f"{self.log.topic}[{partition}] offsets {span.first} to {span.last}"
        self.findings.add(
            Finding(kind=kind, fault=fault, subject=subject, detail=detail, next=then)
        )


def ledger_entry(row: dict[str, object]) -> LedgerEntry:
    """Return a row of `ingested`, by the names of its columns."""
    span = {"first": row.pop("first_offset"), "last": row.pop("last_offset")}
    return msgspec.convert({**row, "range": span}, LedgerEntry)
