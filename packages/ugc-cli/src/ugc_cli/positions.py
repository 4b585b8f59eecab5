"""Where a consumer group stands, and what it means to have it stand elsewhere: without effects."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ugc_core.errors import OffsetOutOfRangeError
from ugc_core.log import Commit, Watermarks
from ugc_etl.replay.spans import Span, size, subtract


class Standing(Struct, frozen=True, kw_only=True):
    """How far a group and the ledger are in one partition.

    Attributes:
        partition: Which.
        low: The oldest offset that can be read.
        committed: The next offset that the group reads; None if it has no position.
        note: What the last commit announces: the batch that was being stored.
        high: The offset that the next record gets.
        ledger: The offset after the last batch that is noted as stored; None without one, or
            if nobody could say.
        covered: What is noted as stored; None if nobody could say.
    """

    partition: int
    low: int
    committed: int | None
    note: str
    high: int
    ledger: int | None
    covered: tuple[Span, ...] | None

    @property
    def lag(self) -> int:
        """Records that are appended and not committed."""
        return max(self.high - self.reads_at, 0)

    @property
    def reads_at(self) -> int:
        """Where reading goes on: without a position at the oldest record that is missing."""
        if self.committed is not None:
            return self.committed
        return self.low if self.ledger is None else min(self.low, self.ledger)


class Move(Struct, frozen=True, kw_only=True):
    """One partition's way to another position.

    Attributes:
        partition: Which.
        at: Where the group stands; None if it has no position.
        to: Where it is to stand.
        low: The oldest offset that can be read.
        skipped: What nobody has stored, and nobody will read any more.
        repeated: How many offsets are read again though they are stored.
    """

    partition: int
    at: int | None
    to: int
    low: int
    skipped: tuple[Span, ...]
    repeated: int

    @property
    def gone(self) -> int:
        """How many of the skipped offsets have left the log."""
        return size([span.within(0, self.low) for span in self.skipped])

    @property
    def left(self) -> Sequence[Span]:
        """What of the skipped offsets can still be read from the log."""
        inside = (span.within(self.low, span.end) for span in self.skipped)
        return [span for span in inside if span.size]


def standings(
    ends: Mapping[int, Watermarks],
    commits: Mapping[int, Commit],
    covered: Sequence[Span] | None,
) -> list[Standing]:
    """Put together what log, group and ledger say; `covered` is None if the ledger is silent."""
    found: list[Standing] = []
    for partition, marks in sorted(ends.items()):
        commit = commits.get(partition)
        spans = (
            None
            if covered is None
            else tuple(span for span in covered if span.partition == partition)
        )
        found.append(
            Standing(
                partition=partition,
                low=marks.low,
                committed=None if commit is None else commit.offset,
                note="" if commit is None else commit.metadata,
                high=marks.high,
                ledger=max((span.end for span in spans or ()), default=None),
                covered=spans,
            )
        )
    return found


def move(topic: str, standing: Standing, to: int) -> Move | None:
    """Return what a move to `to` does; None if the group stands there already.

    Where the ledger is silent, everything below the group's position counts as stored.

    Raises:
        OffsetOutOfRangeError: The log does not hold that offset.
    """
    if not standing.low <= to <= standing.high:
        msg = (
            f"{topic}[{standing.partition}]: offset {to} is not in the log, which holds"
            f" {standing.low} to {standing.high}; nothing was moved. Choose one of these, or"
            " --to earliest or latest"
        )
        raise OffsetOutOfRangeError(msg)
    if to == standing.committed:
        return None
    partition, at = standing.partition, standing.reads_at
    covered = standing.covered
    if covered is None:
        covered = (Span(partition=partition, start=0, end=at),)
    between = [Span(partition=partition, start=at, end=to)] if at < to else []
    return Move(
        partition=partition,
        at=standing.committed,
        to=to,
        low=standing.low,
        skipped=tuple(subtract(between, covered)),
        repeated=size([span.within(to, standing.high) for span in covered]),
    )
