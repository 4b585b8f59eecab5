"""A valid event, for whatever needs one; tests name only what matters to them."""

from typing import Any
from uuid import UUID

from ugc_core.events import Event

NOW_MS = 1_767_225_600_000
"""When `ManualClock` starts: 2026-01-01T00:00:00Z."""


def uuid7(number: int, at_ms: int = NOW_MS) -> UUID:
    """Return the UUID v7 of a moment whose random part is `number`."""
    return UUID(int=at_ms << 80 | 7 << 76 | 0b10 << 62 | number)


def valid_event(event_id: UUID, /, **changes: Any) -> Event:
    """Return an event of user 1 and film 7, but for the changes."""
    fields: dict[str, Any] = {
        "event_id": event_id,
        "film_id": UUID(int=7),
        "user_id": UUID(int=1),
        "progress": 120.0,
        "total": 5400.0,
        "viewed_at": NOW_MS,
        "received_at": NOW_MS,
    }
    return Event(**(fields | changes))
