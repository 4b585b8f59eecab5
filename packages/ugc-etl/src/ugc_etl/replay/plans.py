"""What a replay is to do, and under which names it keeps its state."""

import secrets
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from ugc_etl.replay.spans import Span


class Kind(StrEnum):
    """Where the reports come from.

    Attributes:
        LOG: Any ranges of the log.
        GAPS: Ranges that the pipeline committed past without a note in its ledger.
        LETTERS: The open dead letters.
    """

    LOG = "log"
    GAPS = "gaps"
    LETTERS = "dlq"


class Selection(Struct, frozen=True, kw_only=True):
    """What was asked for.

    Attributes:
        kind: Where the reports come from.
        ranges: These ranges of offsets, and nothing else of what follows.
        partition: This partition alone.
        from_offset: From this offset on.
        until_offset: Up to, not including, this offset.
        from_ms: From the first record that is not older, Unix milliseconds.
        until_ms: Up to, not including, the first record that is not older.
    """

    kind: Kind = Kind.LOG
    ranges: tuple[Span, ...] = ()
    partition: int | None = None
    from_offset: int | None = None
    until_offset: int | None = None
    from_ms: int | None = None
    until_ms: int | None = None


class Plan(Struct, frozen=True, kw_only=True):
    """One replay.

    Attributes:
        id: Its name; it is part of every token and of the ledger's topic.
        kind: Where the reports come from.
        topic: The topic that is read.
        spans: Which of its records.
    """

    id: str
    kind: Kind
    topic: str
    spans: tuple[Span, ...]

    @property
    def ledger_topic(self) -> str:
        """Under which topic the ledger notes what is done: closing a gap is the real one's."""
        return self.topic if self.kind is Kind.GAPS else f"{self.topic}#replay-{self.id}"

    @property
    def plan_topic(self) -> str:
        """Under which topic the ledger keeps the plan itself."""
        return plan_topic(self.topic, self.id)


def plan_topic(topic: str, replay_id: str) -> str:
    """Return the name under which the ledger keeps a replay's plan."""
    return f"{topic}#replay-{replay_id}.plan"


def new_id(now_ms: int) -> str:
    """Return the name of a new replay: when it began, and enough chance to be the only one."""
    began = datetime.fromtimestamp(now_ms / 1000, UTC)
    return f"{began:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
