"""What the read routes answer when all went well."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

UtcText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class ResumePoint(Struct, frozen=True, kw_only=True):
    """Where a viewer is in a film.

    Attributes:
        film_id: The film.
        progress: Playhead, in seconds of film.
        total: Length of the film, in seconds.
        updated_at: When the viewer was there: RFC 3339, UTC, milliseconds.
        finished: Whether at least 95 % of the film lies behind.
    """

    film_id: UUID
    progress: float
    total: float
    updated_at: UtcText
    finished: bool


class ContinueWatching(Struct, frozen=True, kw_only=True):
    """Films that a viewer may want to go on with, the latest first.

    Attributes:
        items: The films.
        next_cursor: Give it as `cursor` to get the next page; null on the last page.
    """

    items: Sequence[ResumePoint]
    next_cursor: str | None


def utc_text(at_ms: int) -> str:
    """Return a time as RFC 3339, UTC, with milliseconds."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC).replace(microsecond=at_ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
