"""What the service answers when all went well."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from ugc_api.problems import Problem
from ugc_core.log import Receipt

UtcText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Accepted(Struct, frozen=True, kw_only=True):
    """One report that is kept.

    Attributes:
        event_id: The report's identity; made here if it had none.
        receipt: Where the log keeps it.
    """

    event_id: UUID
    receipt: Receipt


class AcceptedItem(Struct, frozen=True, kw_only=True, tag_field="status", tag="accepted"):
    """An item of a batch that is kept.

    Attributes:
        event_id: The report's identity; made here if it had none.
        receipt: Where the log keeps it.
    """

    event_id: UUID
    receipt: Receipt


class DuplicateItem(Struct, frozen=True, kw_only=True, tag_field="status", tag="duplicate"):
    """An item whose event_id came earlier in the same batch; that first one is kept.

    Attributes:
        event_id: The report's identity.
        receipt: Where the log keeps the first one.
    """

    event_id: UUID
    receipt: Receipt


class RefusedItem(Struct, frozen=True, kw_only=True, tag_field="status", tag="refused"):
    """An item that is not kept.

    Attributes:
        problem: Why not.
    """

    problem: Problem


Item = AcceptedItem | DuplicateItem | RefusedItem


class BatchAnswer(Struct, frozen=True, kw_only=True):
    """A verdict for each item of a batch.

    Attributes:
        accepted: How many items are kept.
        refused: How many are not.
        duplicates: How many repeat an earlier one of the batch.
        items: The verdicts, in the order of the batch.
    """

    accepted: int
    refused: int
    duplicates: int
    items: Sequence[Item]


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
