"""Reports for the oracle; each call says only what its test is about."""

from itertools import count
from typing import Any
from uuid import UUID

from ugc_core.events import Event

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z
HOUR_MS = 3_600_000
MIDNIGHT_MS = NOON_MS + 12 * HOUR_MS
DAY = NOON_MS // (24 * HOUR_MS)
FILM, OTHER_FILM = UUID(int=7), UUID(int=8)
SESSION, OTHER_SESSION = UUID(int=31), UUID(int=32)
USER, OTHER_USER, CHILD = UUID(int=1), UUID(int=2), UUID(int=3)

_ids = count(1)


def report(**changes: Any) -> Event:
    """Return a report; `stretch=(from, to)` and `point` are in seconds of film."""
    fields: dict[str, Any] = {
        "event_id": UUID(int=next(_ids)),
        "film_id": FILM,
        "user_id": USER,
        "progress": 10.0,
        "total": 100.0,
        "viewed_at": NOON_MS,
        "received_at": NOON_MS,
    }
    if "stretch" in changes:
        fields["watched_from"], fields["progress"] = changes.pop("stretch")
    return Event(**(fields | changes))
