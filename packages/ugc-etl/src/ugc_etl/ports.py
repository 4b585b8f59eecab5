"""What the pipeline needs from the warehouse's side."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from ugc_etl.erasures import ErasedUser, ErasedUsers
from ugc_etl.rows import Rows


class Range(Struct, frozen=True, kw_only=True, order=True):
    """The records of one batch: offsets `first` to `last` of a partition, both included."""

    first: int
    last: int


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """What became of one batch; lines = stored + dead + erased.

    Attributes:
        topic: Where the records came from.
        partition: Its partition.
        range: First and last offset.
        records: Records in the range.
        lines: Lines in these records.
        stored: Lines that are in the warehouse.
        dead: Lines that are among the dead letters.
        erased: Lines that were dropped because their user is to be forgotten.
        content_hash: Hash of the records' raw bytes, hexadecimal.
    """

    topic: str
    partition: int
    range: Range
    records: int
    lines: int
    stored: int
    dead: int
    erased: int
    content_hash: str


class ViewsStore(Protocol):
    """Where reports are kept for good.

    STORE-1: An insert that returned is durable, in the raw table and in everything derived.
    STORE-2: Reports are kept once by their identity, however often and in whatever batches
        they are inserted; of two copies the first accepted one wins.
    STORE-3: A ledger entry is kept once by its range; `reached` tells where the last one of a
        partition ends.
    STORE-4: After `erase` nothing that was stored of that user is left, in no table; others'
        reports and numbers are unchanged. `erased` names the user from before the deletion on.

    Every method raises `WarehouseUnavailableError` when the same call may work later.
    """

    async def insert(self, rows: Rows, *, token: str) -> None:
        """Insert rows; the token names their content, an empty one names nothing.

        Raises:
            RowsRefusedError: At least one of these rows can never be stored.
        """

    async def record(self, entry: LedgerEntry) -> None:
        """Note what became of a batch."""

    async def reached(self, topic: str, partition: int) -> int | None:
        """Return the offset after the last one of the ledger, None without an entry."""

    async def erase(self, erasure: ErasedUser) -> None:
        """Note the erasure, and delete everything that is stored of the user."""

    async def erased(self) -> ErasedUsers:
        """Return the erasures so far."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A line that cannot be stored, and why.

    Attributes:
        topic: Where it came from.
        partition: Its partition.
        offset: Offset of its record.
        line: Its number within the record.
        reason: What is wrong with it.
        payload: The line itself.
        schema_version: What the record's header said, as text; empty without one.
    """

    topic: str
    partition: int
    offset: int
    line: int
    reason: str
    payload: bytes
    schema_version: str = ""


class DeadLetters(Protocol):
    """Where lines go that cannot be stored."""

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep them for good; a repeat may keep them twice, under the same key.

        Raises:
            LogUnavailableError: Not acknowledged in time; put them again.
        """
