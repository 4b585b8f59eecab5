"""Whether ranges tile: a decision without effects, fed one range after the other."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from ugc_etl.ports import Range


class Extent(Struct, frozen=True, kw_only=True):
    """How far a partition reaches, at one moment.

    Attributes:
        low: The oldest offset that can still be read.
        committed: The offset up to which the pipeline says that everything is ingested.
        high: The offset that the next record gets.
    """

    low: int
    committed: int
    high: int


class Hole(NamedTuple):
    """Offsets from `start` up to, not including, `end` that no range covers."""

    start: int
    end: int


class Overlap(NamedTuple):
    """Two ranges that share offsets."""

    one: Range
    other: Range


class Tiling:
    """Ranges of one partition, in order of their first offsets.

    They should cover, each offset once, everything from the first range, or from the log's
    oldest record if that is lower, up to the committed offset.
    """

    def __init__(self, extent: Extent) -> None:
        """Start with nothing covered."""
        self._extent = extent
        self._furthest: Range | None = None

    def take(self, span: Range) -> Sequence[Hole | Overlap]:
        """Take the next range; return what lies between it and those before."""
        before, at = self._furthest, self._at
        if before is None or span.last > before.last:
            self._furthest = span
        if before is not None and span.first < at:
            return [Overlap(before, span)]
        return self._hole(at, span.first)

    def close(self) -> Sequence[Hole]:
        """Return what is not covered after the last range."""
        return self._hole(self._at, self._extent.committed)

    @property
    def _at(self) -> int:
        return self._extent.low if self._furthest is None else self._furthest.last + 1

    def _hole(self, start: int, end: int) -> Sequence[Hole]:
        end = min(end, self._extent.committed)
        return [Hole(start, end)] if start < end else []
