"""What senders know: every report that was ever sent, and what became of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from ugc_core.events import Event


class Outcome(StrEnum):
    """What the sender was told.

    A 5xx, a cut connection and a timeout all mean `UNKNOWN`: stored or not, a retry with the
    same event_id is right.
    """

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(kw_only=True)
class Journal:
    """Kept by the senders alone; nothing in it comes from the system's insides.

    Attributes:
        events: Every report as it was sent.
        outcomes: What became of each; a report once accepted stays accepted.
        unknowns: Reports whose outcome was unknown at least once.
        repeats: How often a report was sent again.
    """

    events: dict[UUID, Event] = field(default_factory=dict)
    outcomes: dict[UUID, Outcome] = field(default_factory=dict)
    unknowns: set[UUID] = field(default_factory=set)
    repeats: int = 0

    def sending(self, events: Iterable[Event]) -> None:
        """Note that reports go out, before they do."""
        for event in events:
            self.repeats += event.event_id in self.events
            self.events[event.event_id] = event
            self.outcomes.setdefault(event.event_id, Outcome.UNKNOWN)

    def heard(self, event_id: UUID, outcome: Outcome) -> None:
        """Note what was answered."""
        if outcome is Outcome.UNKNOWN:
            self.unknowns.add(event_id)
        if self.outcomes[event_id] is not Outcome.OK:
            self.outcomes[event_id] = outcome

    def only(self, outcome: Outcome) -> Mapping[UUID, Event]:
        """Return the reports with an outcome."""
        return {
            event_id: self.events[event_id]
            for event_id, found in self.outcomes.items()
            if found is outcome
        }
