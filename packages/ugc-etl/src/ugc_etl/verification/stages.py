"""How far one line of the log has come, from what is known of it: without effects."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from ugc_etl.ports import LedgerEntry
from ugc_etl.verification.findings import replay


class Stage(StrEnum):
    """The last station that a line has reached."""

    WAITING = "waiting"
    STORED = "stored"
    REPEATED = "repeated"
    DEAD = "dead letter"
    ERASED = "erased"
    ERASURE = "erasure"
    UNERASED = "unerased"
    LOST = "lost"


MEANINGS = {
    Stage.WAITING: "kept in the log; the pipeline has not committed it yet",
    Stage.STORED: "in the warehouse, and the copy that counts",
    Stage.REPEATED: "a copy of a report that is in the warehouse; the copy accepted first counts",
    Stage.DEAD: "set aside as a dead letter",
    Stage.ERASED: "dropped, because its user is forgotten",
    Stage.ERASURE: "the erasure of a user, carried out",
    Stage.UNERASED: "still in the warehouse, though its user is forgotten",
    Stage.LOST: "committed past, and nowhere to be found",
}


class StoredCopy(Struct, frozen=True, kw_only=True):
    """The row that counts for a report.

    Attributes:
        film_id: The film; text, as all ids here.
        user_id: The user.
        profile_id: The household member.
        event_id: The report's own id.
        receipt: Where in the log the row says it comes from.
        version: Which of several copies it is.
        event_time: When the report was made.
        received_at: When that copy was accepted.
        stored_at: When the row was inserted.
    """

    film_id: str
    user_id: str
    profile_id: str
    event_id: str
    receipt: str
    version: int
    event_time: datetime
    received_at: datetime
    stored_at: datetime


class Letter(Struct, frozen=True, kw_only=True):
    """A dead letter.

    Attributes:
        key: Its key.
        reason: Why the line was set aside.
        resolution: What became of it; None while it is open.
    """

    key: str
    reason: str
    resolution: str | None = None


class Line(Struct, frozen=True, kw_only=True):
    """A line and everything that is known of it.

    Attributes:
        receipt: Partition, offset and line.
        in_log: Whether the log still holds it.
        appended_at_ms: When the log took it, Unix milliseconds; None if it has left the log.
        key: The record's key.
        headers: The record's headers.
        text: The line itself.
        event_id: The report's id; None if the line is no report.
        version: Which copy of the report it is.
        wrong: Why it is no report; empty if it is one.
        erasure: Whether it asks to forget a user.
        committed: Whether the pipeline has committed past it.
        hidden: Whether its user is to be forgotten.
        batches: What the ledger has of its batch; more than one is a fault.
        row: The row that counts for the report.
        letter: Its dead letter.
    """

    receipt: str
    in_log: bool = True
    appended_at_ms: int | None = None
    key: str | None = None
    headers: Mapping[str, str] = {}
    text: str | None = None
    event_id: str | None = None
    version: int | None = None
    wrong: str = ""
    erasure: bool = False
    committed: bool = False
    hidden: bool = False
    batches: Sequence[LedgerEntry] = ()
    row: StoredCopy | None = None
    letter: Letter | None = None

    @property
    def stage(self) -> Stage:
        """The last station that it has reached."""
        if self.row is not None:
            return self._stage_of_row(self.row)
        if self.letter is not None:
            return Stage.DEAD
        if not self.committed:
            return Stage.WAITING
        if self.erasure:
            return Stage.ERASURE
        return Stage.ERASED if self.hidden else Stage.LOST

    def _stage_of_row(self, row: StoredCopy) -> Stage:
        if self.hidden and row.receipt == self.receipt:
            return Stage.UNERASED
        counts = self.version is None or row.version == self.version
        return Stage.STORED if counts else Stage.REPEATED

    @property
    def next(self) -> str:
        """What happens next, or what to do."""
        partition, offset, _ = self.receipt.split(":")
        match self.stage:
            case Stage.WAITING:
                return "wait; `ugc status` says how far the pipeline is"
            case Stage.DEAD if self.letter and self.letter.resolution is None:
                return f"ugc dlq show {self.letter.key}"
            case Stage.LOST:
                return replay(int(partition), int(offset), int(offset))
            case Stage.UNERASED if self.row:
                return f"ugc forget {self.row.user_id}"
            case _:
                return ""
