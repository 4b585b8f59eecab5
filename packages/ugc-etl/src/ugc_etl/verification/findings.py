"""What a verification says: one finding for each thing that is not as it should be."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """What is wrong."""

    GAP = "gap"
    OVERLAP = "overlap"
    UNBALANCED = "unbalanced"
    MISCOUNTED = "miscounted"
    REPLACED = "replaced"
    MISSING = "missing"
    FOREIGN = "foreign"
    DOUBLED = "doubled"
    ALTERED = "altered"
    CONFLICTING = "conflicting"
    UNERASED = "unerased"
    UNBURIED = "unburied"
    DERIVED = "derived"


MEANINGS = {
    Kind.GAP: "records below the committed offset that no batch in the ledger tells of",
    Kind.OVERLAP: "two batches in the ledger tell of the same records",
    Kind.UNBALANCED: "a batch whose lines are not stored + dead + erased",
    Kind.MISCOUNTED: "a batch whose counts or hash are not those of its records",
    Kind.REPLACED: "the group has committed past the end of the log",
    Kind.MISSING: "accepted, committed, and not in the warehouse",
    Kind.FOREIGN: "in the warehouse, and in no record of the log",
    Kind.DOUBLED: "stored more than once",
    Kind.ALTERED: "stored with other content than was accepted",
    Kind.CONFLICTING: "sent twice with one identity and other content; the first one counts",
    Kind.UNERASED: "of an erased user, and still there",
    Kind.UNBURIED: "counted as a dead letter, and not among them",
    Kind.DERIVED: "a derived table that does not say what the reports say",
}


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be.

    Attributes:
        kind: What is wrong.
        fault: Whether something is lost, doubled, foreign or altered. Otherwise it is a note:
            a client's mistake, or what cannot be judged any more.
        subject: What it is about: a report, a range of the log, a film.
        detail: What was found and what was expected.
        next: What to do about it; empty where nothing is.
    """

    kind: Kind
    fault: bool
    subject: str
    detail: str
    next: str = ""


@dataclass(kw_only=True)
class Findings:
    """Counts every finding, and keeps the first ones.

    Attributes:
        keep: How many are kept; a warehouse that lost everything would fill the memory.
    """

    keep: int = 10_000
    kept: list[Finding] = field(default_factory=list)
    faults: Counter[Kind] = field(default_factory=Counter)
    notes: Counter[Kind] = field(default_factory=Counter)

    @property
    def full(self) -> bool:
        """Whether one more is counted only."""
        return len(self.kept) >= self.keep

    def add(self, finding: Finding) -> None:
        """Take one more."""
        self.count(finding.kind, fault=finding.fault)
        if not self.full:
            self.kept.append(finding)

    def count(self, kind: Kind, *, fault: bool) -> None:
        """Count one without keeping it."""
        (self.faults if fault else self.notes)[kind] += 1

    def faulty(self, kinds: frozenset[Kind]) -> int:
        """Return how many faults there are of these kinds."""
        return sum(self.faults[kind] for kind in kinds)

    def noted(self, kinds: frozenset[Kind]) -> int:
        """Return how many notes there are of these kinds."""
        return sum(self.notes[kind] for kind in kinds)


def replay(partition: int, first: int, last: int) -> str:
    """Return the command that puts these records into the warehouse again."""
    return f"ugc replay log --offsets {partition}:{first}-{last}"
