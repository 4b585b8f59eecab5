"""The log as a verification sees it: at one moment, and outside of every group."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from ugc_core.errors import OffsetOutOfRangeError
from ugc_core.log import LogAdmin, LogScanner, Record
from ugc_etl.verification.tiling import Extent

_AT_ONCE = 500
"""Records of one read; the scanner bounds their bytes."""


@dataclass(kw_only=True)
class LogView:
    """Reads ranges while retention goes on removing records.

    Attributes:
        topic: The topic of the reports.
        group: The pipeline's group.
        admin: Where watermarks and commits are asked for.
        scanner: Where records are read.
        lows: The oldest offset that every later read finds, by partition; it only rises.
        highs: Where each partition ended when it was looked at last; nothing beyond is read.
    """

    topic: str
    group: str
    admin: LogAdmin
    scanner: LogScanner
    lows: dict[int, int] = field(default_factory=dict)
    highs: dict[int, int] = field(default_factory=dict)

    async def extents(self) -> Mapping[int, Extent]:
        """Return how far each partition reaches now.

        The commits are asked for first, so that a pipeline at work never seems to be ahead.
        """
        commits = await self.admin.committed_by(self.group, self.topic)
        found = {}
        for partition, ends in sorted((await self.admin.watermarks(self.topic)).items()):
            commit = commits.get(partition)
            self.lows[partition] = max(ends.low, self.lows.get(partition, 0))
            self.highs[partition] = ends.high
            found[partition] = Extent(
                low=ends.low,
                committed=ends.low if commit is None else commit.offset,
                high=ends.high,
            )
        return found

    async def records(
        self, partition: int, start: int, end: int, *, topic: str | None = None
    ) -> AsyncIterator[Record]:
        """Yield the records of a range that are still there.

        Raises:
            LogUnavailableError: The log did not answer in time.
        """
        topic = topic or self.topic
        if topic == self.topic:
            end = min(end, self.highs.get(partition, 0))
        at = start
        while at < end:
            try:
                found = await self.scanner.scan(topic, partition, at, end, max_records=_AT_ONCE)
            except OffsetOutOfRangeError as error:
                at = await self._after_removal(topic, partition, at, error)
                continue
            if not found:
                return
            for record in found:
                yield record
            at = found[-1].offset + 1

    async def _after_removal(
        self, topic: str, partition: int, at: int, error: OffsetOutOfRangeError
    ) -> int:
        """Return where reading goes on when retention has removed records meanwhile.

        Raises:
            OffsetOutOfRangeError: That is not the reason.
        """
        ends = (await self.admin.watermarks(topic)).get(partition)
        if ends is None or ends.low <= at:
            raise error
        if topic == self.topic:
            self.lows[partition] = max(ends.low, self.lows.get(partition, 0))
        return ends.low
