"""Where the dead letters come from, and whether some of them were taken out since."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from ugc_core.codec import split_lines
from ugc_core.errors import MalformedLineError
from ugc_core.log import Record
from ugc_etl.letters.line_format import decode_place
from ugc_etl.ports import Range
from ugc_etl.verification.log_view import LogView

Spot = tuple[int, int, int]
"""Partition, offset and line of the topic of the reports."""


@dataclass(kw_only=True)
class Buried:
    """The dead letters of one topic; about 120 bytes of memory each.

    Attributes:
        topic: The topic whose lines they were.
        spots: Where they come from; a letter that was written twice is there once.
        removed: Whether letters are gone from their topic: by retention, or with their user.
    """

    topic: str
    spots: set[Spot] = field(default_factory=set)
    removed: bool = False
    _ordered: Sequence[Spot] = ()

    def take(self, record: Record) -> None:
        """Take the letters of a record; those that close one name its place again."""
        lines = split_lines(record.value)
        promised = dict(record.headers).get("lines", b"")
        self.removed |= promised.isdigit() and int(promised) > len(lines)
        for line in lines:
            try:
                place = decode_place(line)
            except MalformedLineError:
                continue
            if place.topic == self.topic:
                self.spots.add((place.partition, place.offset, place.line))

    def within(self, partition: int, span: Range) -> Sequence[Spot]:
        """Return those of a range, in order."""
        if len(self._ordered) != len(self.spots):
            self._ordered = sorted(self.spots)
        start = bisect_left(self._ordered, (partition, span.first, 0))
        end = bisect_left(self._ordered, (partition, span.last + 1, 0))
        return self._ordered[start:end]


async def read_buried(log: LogView, dlq_topic: str) -> Buried:
    """Read every dead letter's place.

    Raises:
        LogUnavailableError: The log did not answer in time.
    """
    buried = Buried(topic=log.topic)
    for partition, ends in sorted((await log.admin.watermarks(dlq_topic)).items()):
        at = 0
        async for record in log.records(partition, ends.low, ends.high, topic=dlq_topic):
            buried.removed |= record.offset != at
            buried.take(record)
            at = record.offset + 1
        buried.removed |= at != ends.high
    return buried
