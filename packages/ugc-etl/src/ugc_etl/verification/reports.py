"""Every accepted report against every stored one, in passes of bounded memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ugc_core.warehouse import Warehouse
from ugc_etl.erasures import ErasedUsers, read_erased
from ugc_etl.verification.buried import Buried
from ugc_etl.verification.comparing import Compared, Verdict, compare
from ugc_etl.verification.copies import Copies, DeadLine, only, passes, unpack
from ugc_etl.verification.findings import Findings, Kind
from ugc_etl.verification.fingerprints import bucket_of, names
from ugc_etl.verification.log_view import LogView
from ugc_etl.verification.naming import Naming
from ugc_etl.verification.stored_rows import Horizon, StoredRows, Sum
from ugc_etl.verification.tiling import Extent

KINDS = frozenset(
    {
        Kind.MISSING,
        Kind.FOREIGN,
        Kind.DOUBLED,
        Kind.ALTERED,
        Kind.CONFLICTING,
        Kind.UNERASED,
    }
)
_ROWS_AT_ONCE = 20_000
"""Rows of one read; a bucket that differs is read whole."""
_BUCKETS_AT_ONCE = 4096
"""Buckets of one read: their numbers stand in the statement, which is bounded."""
_BEYOND_AT_ONCE = 10_000
_TELL_EVERY = 2000
"""Records between two words about the progress."""

Progress = Callable[[str, int, int], None]
"""Told what is going on, how much of it is done, and how much there is."""


@dataclass(kw_only=True)
class ReportFacts:
    """What the comparison has counted.

    Attributes:
        passes: How often the log was read.
        held: The most identities that were in memory at once.
        lines: Lines in the log that are to be stored, repeated copies included.
        reports: Reports, each once.
        dead: Lines that are no report.
        erased: Lines that are dropped because their user is erased.
        older: Rows that cannot be judged: their lines have left the log.
        newer: Rows of lines that came after the moment that is verified.
    """

    passes: int = 0
    held: int = 0
    lines: int = 0
    reports: int = 0
    dead: int = 0
    erased: int = 0
    older: int = 0
    newer: int = 0


@dataclass(kw_only=True)
class ReportCheck:
    """Compares sets of identities and what is in them, never counts.

    Attributes:
        warehouse: Where the rows are.
        log: Where the lines are.
        buried: The dead letters.
        findings: Where findings go.
        at_once: Identities that one pass may hold.
        progress: Told how far it is.
        kept_from_ms: Raw reports made before this go, by the table's TTL.
        unburied: Dead lines that are not among the dead letters.
        disputed: Film and user of every conflicting report.
    """

    warehouse: Warehouse
    log: LogView
    buried: Buried
    findings: Findings
    at_once: int
    progress: Progress
    kept_from_ms: int = 0
    facts: ReportFacts = field(default_factory=ReportFacts)
    unburied: list[DeadLine] = field(default_factory=list)
    disputed: set[bytes] = field(default_factory=set)
    _erased: ErasedUsers = field(default_factory=ErasedUsers)

    async def run(self, extents: Mapping[int, Extent], *, lines: int) -> ReportFacts:
        """Compare everything that the log holds below the commits.

        Args:
            extents: Up to where.
            lines: How many lines there are about.
        """
        self._erased = await read_erased(self.warehouse)
        stored = StoredRows(warehouse=self.warehouse)
        sums, monthly = await stored.sums(Horizon.of(extents, self.log.lows))
        seen = sum(each.rows for each in sums.values())
        self.facts.passes = passes(max(lines, seen), at_once=self.at_once)
        for share in range(self.facts.passes):
            copies = await self._read(extents, share)
            await self._judge(copies, stored, sums, monthly, extents)
        await self._beyond(stored, extents)
        self.facts.older, self.facts.newer = stored.outside["older"], stored.outside["newer"]
        return self.facts

    async def _read(self, extents: Mapping[int, Extent], share: int) -> Copies:
        """Read the log once, for one share of the identities."""
        facts = self.facts
        copies = Copies(share=share, of=facts.passes, erased=self._erased, buried=self.buried.spots)
        ends = {p: min(extent.committed, extent.high) for p, extent in extents.items()}
        total = sum(max(end - self.log.lows[p], 0) for p, end in ends.items())
        done = 0
        for partition, end in ends.items():
            async for record in self.log.records(partition, self.log.lows[partition], end):
                copies.take(record)
                done += 1
                if done % _TELL_EVERY == 0:
                    self.progress(f"reports, pass {share + 1} of {facts.passes}", done, total)
        facts.held = max(facts.held, len(copies.first))
        facts.lines += copies.lines
        facts.reports += len(copies.first)
        facts.dead += copies.dead_lines
        facts.erased += copies.hidden
        self.unburied += copies.unburied
        return copies

    async def _judge(
        self,
        copies: Copies,
        stored: StoredRows,
        sums: Mapping[int, Sum],
        monthly: Mapping[int, int],
        extents: Mapping[int, Extent],
    ) -> None:
        """Look closely at the buckets of this pass whose sums differ."""
        naming = self._naming()
        for identity, found in copies.conflicts():
            self.disputed.add(identity[:32])
            naming.conflict(identity, found)
        due = _sums(copies)
        differing = [
            (bucket, max(due.get(bucket, Sum()).rows, monthly.get(bucket, 0)))
            for bucket in sorted(due.keys() | sums.keys() | monthly.keys())
            if bucket % copies.of == copies.share
            and (
                due.get(bucket, Sum()) != sums.get(bucket, Sum())
                or due.get(bucket, Sum()).rows != monthly.get(bucket, 0)
            )
        ]
        horizon = Horizon.of(extents, self.log.lows)
        for buckets in _portions(differing):
            verdicts = await self._compare(copies, stored, buckets, horizon)
            await naming.name(verdicts)

    async def _compare(
        self, copies: Copies, stored: StoredRows, buckets: Sequence[int], horizon: Horizon
    ) -> list[Verdict]:
        shown, kept = await stored.rows(buckets)
        chosen = frozenset(buckets)
        due = only(copies.first, lambda identity: bucket_of(names(identity)[3]) in chosen)
        others = {
            identity: [unpack(packed) for packed in copies.others[identity]]
            for identity in due.keys() & copies.others.keys()
        }
        return [*compare(Compared(due, others, shown, kept), horizon)]

    async def _beyond(self, stored: StoredRows, extents: Mapping[int, Extent]) -> None:
        """Find rows that claim offsets which the log has not given out yet."""
        before = Horizon.of(
            {p: Extent(low=e.low, committed=e.high, high=e.high) for p, e in extents.items()}, {}
        )
        rows = await stored.beyond(before.ends, _BEYOND_AT_ONCE)
        if not rows:
            return
        now = await self.log.extents()
        naming = self._naming()
        await naming.name(
            [
                Verdict(Kind.FOREIGN, row.identity, None, [row])
                for row in rows
                if row.offset >= now[row.partition].high
            ]
        )

    def _naming(self) -> Naming:
        return Naming(
            warehouse=self.warehouse,
            log=self.log,
            findings=self.findings,
            buried=self.buried,
            erased=self._erased,
            kept_from_ms=self.kept_from_ms,
        )


def _sums(copies: Copies) -> dict[int, Sum]:
    sums: dict[int, Sum] = {}
    for identity, packed in copies.first.items():
        bucket = bucket_of(names(identity)[3])
        sums[bucket] = sums.get(bucket, Sum()).plus(unpack(packed).digest)
    return sums


def _portions(buckets: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Yield buckets in portions of bounded size."""
    portion: list[int] = []
    size = 0
    for bucket, rows in buckets:
        if portion and (size + rows > _ROWS_AT_ONCE or len(portion) >= _BUCKETS_AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append(bucket)
        size += rows
    if portion:
        yield portion
