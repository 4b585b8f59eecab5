"""What the write routes answer when all went well."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from ugc_api.problems.problem import Problem
from ugc_core.log import Receipt


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


Verdict = AcceptedItem | DuplicateItem | RefusedItem


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
    items: Sequence[Verdict]
