"""What a replay needs beside the pipeline's ports."""

from collections.abc import Sequence
from typing import Protocol

from ugc_etl.replay.plans import Plan
from ugc_etl.replay.spans import Span
from ugc_etl.rows import Rows


class ReplayLedger(Protocol):
    """Plans of replays and what is done of them, in the pipeline's ledger.

    REPLAY-1: A plan is there whole or not at all.

    Every method raises `WarehouseUnavailableError` when the same call may work later.
    """

    async def note(self, plan: Plan) -> None:
        """Keep a plan."""

    async def find(self, replay_id: str, topics: Sequence[str]) -> Plan | None:
        """Return the plan of a replay of one of these topics, if it was kept."""

    async def covered(self, topic: str) -> Sequence[Span]:
        """Return the ranges that the ledger has under a topic, joined where they touch."""

    async def stored(self, rows: Rows) -> int:
        """Return how many of the rows' reports the warehouse has already."""
