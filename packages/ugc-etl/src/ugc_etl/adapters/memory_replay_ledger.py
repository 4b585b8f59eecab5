"""The replay ledger's reference, on top of the store in memory."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ugc_etl.adapters.memory_store import MemoryStore
from ugc_etl.replay.plans import Plan
from ugc_etl.replay.ports import ReplayLedger
from ugc_etl.replay.spans import Span
from ugc_etl.rows import Rows


class MemoryReplayLedger:
    """Keeps plans by name; what is done is what the store's ledger says."""

    def __init__(self, store: MemoryStore) -> None:
        """Read the ledger of `store`."""
        self._store = store
        self.plans: dict[str, Plan] = {}

    async def note(self, plan: Plan) -> None:
        """Keep it."""
        self.plans[plan.id] = plan

    async def find(self, replay_id: str, topics: Sequence[str]) -> Plan | None:
        """Look it up."""
        plan = self.plans.get(replay_id)
        return plan if plan is not None and plan.topic in topics else None

    async def covered(self, topic: str) -> Sequence[Span]:
        """Return every range; they need not be joined here."""
        return [
            Span(partition=entry.partition, start=entry.range.first, end=entry.range.last + 1)
            for entry in self._store.ledger.values()
            if entry.topic == topic
        ]

    async def stored(self, rows: Rows) -> int:
        """Look each report up."""
        return sum(
            (event.film_id, event.user_id, event.profile_id or event.user_id, event.event_id)
            in self._store.kept
            for event in rows.events
        )


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _ledger: type[ReplayLedger] = MemoryReplayLedger
