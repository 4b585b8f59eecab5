"""Ranges of offsets, and what is left of them: arithmetic without effects."""

from collections.abc import Iterable, Sequence

from msgspec import Struct


class Span(Struct, frozen=True, kw_only=True, order=True):
    """Offsets of a partition from `start` up to, not including, `end`."""

    partition: int
    start: int
    end: int

    def within(self, start: int, end: int) -> "Span":
        """Return the part that lies in `start` to `end`; it may be empty."""
        start = max(self.start, start)
        return Span(partition=self.partition, start=start, end=max(min(self.end, end), start))

    @property
    def size(self) -> int:
        """How many offsets it has."""
        return self.end - self.start


def subtract(spans: Iterable[Span], covered: Iterable[Span]) -> list[Span]:
    """Return what of `spans` no span of `covered` has, in order."""
    by_partition: dict[int, list[Span]] = {}
    for span in sorted(covered):
        by_partition.setdefault(span.partition, []).append(span)
    left: list[Span] = []
    for span in sorted(spans):
        at = span.start
        for done in by_partition.get(span.partition, ()):
            if done.start > at:
                left.append(span.within(at, done.start))
            at = max(at, done.end)
        left.append(span.within(at, span.end))
    return [span for span in left if span.size]


def size(spans: Sequence[Span]) -> int:
    """Return how many offsets there are in all."""
    return sum(span.size for span in spans)
