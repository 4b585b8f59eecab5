"""The whole verification: the ledger, then, if it is to be deep, every report."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from ugc_core.clock import Clock
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Warehouse
from ugc_etl.verification import derived, ledger, letters, reports
from ugc_etl.verification.buried import read_buried
from ugc_etl.verification.copies import BYTES_EACH
from ugc_etl.verification.findings import Finding, Findings, Kind
from ugc_etl.verification.log_view import LogView
from ugc_etl.verification.reports import Progress
from ugc_etl.verification.stored_rows import Horizon
from ugc_etl.verification.tiling import Extent

AT_ONCE = 500_000
"""Identities held at once: 140 MB."""
_LOOK_EVERY_S = 0.2
_DAY_MS = 86_400_000


class Check(Struct, frozen=True, kw_only=True):
    """One check and how it ended.

    Attributes:
        name: Which.
        faults: How many faults it found.
        notes: How many notes.
        facts: What it has counted.
    """

    name: str
    faults: int
    notes: int
    facts: Mapping[str, object]


class Verification(Struct, frozen=True, kw_only=True):
    """What `ugc verify` says.

    Attributes:
        topic: The topic that was verified.
        deep: Whether every report was compared.
        waiting: Records that are appended and not ingested yet; they are no loss.
        checks: The checks, in the order in which they were made.
        faults: Faults by kind.
        notes: Notes by kind.
        findings: The findings themselves, the first 10,000.
    """

    topic: str
    deep: bool
    waiting: int
    checks: list[Check]
    faults: Mapping[Kind, int]
    notes: Mapping[Kind, int]
    findings: list[Finding]

    @property
    def good(self) -> bool:
        """Whether nothing is lost, doubled, foreign or altered."""
        return not any(self.faults.values())


@dataclass(kw_only=True)
class Verifier:
    """Runs the checks.

    Attributes:
        warehouse: Where the rows are.
        target: Its database.
        log: The log at one moment.
        dlq_topic: The topic of the dead letters.
        clock: Time.
        ttl_days: After how many days raw reports go; 0 is never.
        progress: Told how far it is.
        at_once: Identities that may be in memory at once.
    """

    warehouse: Warehouse
    target: WarehouseTarget
    log: LogView
    dlq_topic: str
    clock: Clock
    ttl_days: int
    progress: Progress
    at_once: int = AT_ONCE
    findings: Findings = field(default_factory=Findings)

    async def caught_up(self, timeout_s: float) -> int:
        """Wait until the pipeline has ingested what is in the log now.

        Returns:
            How many records it has not, after at most `timeout_s`.
        """
        wanted = {p: extent.high for p, extent in (await self.log.extents()).items()}
        until = self.clock.now() + timeout_s
        while True:
            now = await self.log.extents()
            left = sum(max(high - now[p].committed, 0) for p, high in wanted.items())
            if not left or self.clock.now() >= until:
                return left
            await self.clock.sleep(_LOOK_EVERY_S)

    async def run(self, *, deep: bool) -> Verification:
        """Check the ledger; if it is to be deep, compare every report as well."""
        extents = await self.log.extents()
        checks, waiting, lines = [], 0, 0
        ledger_check = ledger.LedgerCheck(
            warehouse=self.warehouse, log=self.log, findings=self.findings
        )
        facts = await ledger_check.run(extents)
        counted = {n: v for n, v in msgspec.to_builtins(facts).items() if n != "graves"}
        checks.append(self._check("ledger", ledger.KINDS, counted))
        waiting, lines = facts.waiting, facts.readable_lines
        if deep:
            checks += await self._deep(extents, facts, lines)
        return Verification(
            topic=self.log.topic,
            deep=deep,
            waiting=waiting,
            checks=checks,
            faults=dict(self.findings.faults),
            notes=dict(self.findings.notes),
            findings=self.findings.kept,
        )

    async def _deep(
        self, extents: Mapping[int, Extent], facts: ledger.LedgerFacts, lines: int
    ) -> list[Check]:
        buried = await read_buried(self.log, self.dlq_topic)
        report_check = reports.ReportCheck(
            warehouse=self.warehouse,
            log=self.log,
            buried=buried,
            findings=self.findings,
            at_once=self.at_once,
            progress=self.progress,
            kept_from_ms=self._kept_from_ms(),
        )
        counted = msgspec.to_builtins(await report_check.run(extents, lines=lines))
        counted["memory_mb"] = round(counted["held"] * BYTES_EACH / 1e6, 1)
        checks = [self._check("reports", reports.KINDS, counted)]
        letter_check = letters.LetterCheck(
            warehouse=self.warehouse, log=self.log, buried=buried, findings=self.findings
        )
        await letter_check.run(facts.graves, report_check.unburied)
        found: dict[str, object] = {"counted": facts.dead, "letters": len(buried.spots)}
        checks.append(self._check("dead letters", letters.KINDS, found))
        self.progress("derived tables", 0, 0)
        derived_check = derived.DerivedCheck(
            warehouse=self.warehouse,
            target=self.target,
            findings=self.findings,
            clock=self.clock,
            disputed=report_check.disputed,
            ttl_days=self.ttl_days,
        )
        recomputed = await derived_check.run(Horizon.of(extents, self.log.lows))
        checks.append(self._check("derived", derived.KINDS, msgspec.to_builtins(recomputed)))
        return checks

    def _kept_from_ms(self) -> int:
        """Return since when raw reports are kept: a day less than their TTL says."""
        if not self.ttl_days:
            return 0
        return self.clock.wall_ms() - (self.ttl_days - 1) * _DAY_MS

    def _check(self, name: str, kinds: frozenset[Kind], facts: Mapping[str, object]) -> Check:
        return Check(
            name=name,
            faults=self.findings.faulty(kinds),
            notes=self.findings.noted(kinds),
            facts=facts,
        )
