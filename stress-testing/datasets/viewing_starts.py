"""Viewing starts out of the MovieLens ratings: who began which film, when.

Every rating (see `datasets.ratings`) becomes one viewing start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from datasets.ratings import NAMESPACE, ratings

_MINUTE_S = 60


@dataclass(frozen=True, kw_only=True)
class Start:
    """One report to be.

    Attributes:
        event_id: Made from the row's number, so a repeated run reports the same events.
        user_id: Made from the table's user number.
        film_id: Made from the table's film number.
        progress_s: Playhead in whole seconds, within the first ten minutes.
        total_s: Length of the film in whole seconds: 75 to 164 minutes, by its number.
        viewed_ms: Unix time in milliseconds.
    """

    event_id: UUID
    user_id: UUID
    film_id: UUID
    progress_s: int
    total_s: int
    viewed_ms: int

    def body(self) -> dict[str, object]:
        """Return the report as a client of the first kind sends it."""
        return {
            "event_id": str(self.event_id),
            "film_id": str(self.film_id),
            "progress": self.progress_s,
            "total": self.total_s,
            "viewed_at": self.viewed_ms,
        }


def viewing_starts(*, until_ms: int, limit: int | None = None) -> Sequence[Start]:
    """Return the starts in the table's order.

    Args:
        until_ms: The time that the table's last rating is moved to.
        limit: How many rows to take; all by default.
    """
    return [
        Start(
            event_id=uuid5(NAMESPACE, f"row {one.row}"),
            user_id=one.user_id,
            film_id=one.film_id,
            progress_s=1 + one.row * 7 % 600,
            total_s=(75 + one.film % 90) * _MINUTE_S,
            viewed_ms=one.at_ms,
        )
        for one in ratings(until_ms=until_ms, limit=limit)
    ]
