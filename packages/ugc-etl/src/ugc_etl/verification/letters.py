"""Every dead line that the ledger counts has to be among the dead letters."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ugc_core.warehouse import Warehouse
from ugc_etl.erasures import read_erased
from ugc_etl.verification.buried import Buried
from ugc_etl.verification.copies import DeadLine
from ugc_etl.verification.findings import Finding, Findings, Kind, replay
from ugc_etl.verification.ledger import Graves
from ugc_etl.verification.log_view import LogView

KINDS = frozenset({Kind.UNBURIED})


@dataclass(kw_only=True)
class LetterCheck:
    """Looks for letters that are not there.

    Attributes:
        warehouse: Knows the erased users, whose letters are taken out.
        log: The log.
        buried: The letters that are there.
        findings: Where findings go.
    """

    warehouse: Warehouse
    log: LogView
    buried: Buried
    findings: Findings

    async def run(self, graves: Sequence[Graves], unburied: Sequence[DeadLine]) -> None:
        """Check each dead line that was met in the log, and the counts of all batches."""
        forms = await self._erased_forms() if unburied else ()
        for line in unburied:
            lower = line.payload.lower()
            if not any(form in lower for form in forms):
                self._add_line(line)
        met = Counter((line.receipt.partition, line.receipt.offset) for line in unburied)
        for grave in graves:
            span = grave.range
            known = sum(
                many
                for (partition, offset), many in met.items()
                if partition == grave.partition and span.first <= offset <= span.last
            )
            there = len(self.buried.within(grave.partition, span))
            if grave.dead > there + known:
                self._add_batch(grave, there + known)

    async def _erased_forms(self) -> Sequence[bytes]:
        """Return how a line may name an erased user."""
        users = {erasure.user_id for erasure in await read_erased(self.warehouse)}
        return [form for user in users for form in (str(user).encode(), user.hex.encode())]

    def _add_line(self, line: DeadLine) -> None:
        place = line.receipt
        subject = f"{self.log.topic}[{place.partition}] offset {place.offset}, line {place.line}"
        then = replay(place.partition, place.offset, place.offset)
        self._add(subject, f"no report ({line.reason}), and no dead letter", then, fault=True)

    def _add_batch(self, grave: Graves, there: int) -> None:
        span = grave.range
        subject = f"{self.log.topic}[{grave.partition}] offsets {span.first} to {span.last}"
        detail = f"{grave.dead} dead lines in the ledger, {there} of them are known"
        if self.buried.removed:
            # With a user, or by retention; what is gone cannot be told apart any more.
            detail += "; letters were taken out of their topic since, so this cannot be judged"
        then = replay(grave.partition, span.first, span.last)
        self._add(subject, detail, then, fault=not self.buried.removed)

    def _add(self, subject: str, detail: str, then: str, *, fault: bool) -> None:
        self.findings.add(
            Finding(kind=Kind.UNBURIED, fault=fault, subject=subject, detail=detail, next=then)
        )
