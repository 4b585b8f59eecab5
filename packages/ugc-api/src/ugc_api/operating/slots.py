"""Counts as numbers in a piece of memory that other processes may read.

An increment is one addition in place: no lock, no system call, and nothing that has to be written
out before a process is killed. What a number counts stands beside the numbers, as a line of JSON.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

SIZE: Final = 65_536
"""Bytes of one process's counts."""
_VALUES: Final = 8_192
"""Bytes of the numbers; what follows are their names."""
_WASTE: Final = 32
"""The first places swallow what finds no room; nobody reads them."""


class Series(Struct, frozen=True, kw_only=True):
    """What a row of numbers counts.

    Attributes:
        family: Name of the metric.
        labels: Values of its labels.
        momentary: Whether it ends with its process, as what is under way does.
    """

    family: str
    labels: tuple[str, ...] = ()
    momentary: bool = False


class Slots:
    """The counts of this process, which alone writes to them."""

    def __init__(self, buffer: bytearray | memoryview) -> None:
        """Use `buffer`: `SIZE` bytes, all zero."""
        view = memoryview(buffer)
        self.values = view[:_VALUES].cast("d")
        self._names = view[_VALUES:SIZE]
        self._used = _WASTE
        self._named = 0

    def claim(self, series: Series, width: int = 1) -> int:
        """Return the first of `width` places for a new series, in `values`.

        When there is no room left, those of the waste: counting on never fails.
        """
        line = [series.family, width, series.momentary, *series.labels]
        text = json.dumps(line).encode() + b"\n"
        place, end = self._used, self._named + len(text)
        if place + width > len(self.values) or end >= len(self._names):
            return 0
        # The line feed comes last: what a reader sees of a half-written line has none.
        self._names[self._named : end - 1] = text[:-1]
        self._names[end - 1 : end] = text[-1:]
        self._used, self._named = place + width, end
        return place


def read(data: bytes) -> Iterator[tuple[Series, Sequence[float]]]:
    """Yield what a process has counted, from a copy of its memory."""
    values = memoryview(data)[:_VALUES].cast("d")
    lines = data[_VALUES:].partition(b"\0")[0].split(b"\n")[:-1]
    place = _WASTE
    for line in lines:
        family, width, momentary, *labels = json.loads(line)
        series = Series(family=family, labels=tuple(labels), momentary=momentary)
        yield series, values[place : place + width].tolist()
        place += width
