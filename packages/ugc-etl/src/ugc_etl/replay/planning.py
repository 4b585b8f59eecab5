"""Which records a selection means, now; a range that is not there whole is refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ugc_core.errors import OffsetOutOfRangeError
from ugc_core.log import LogAdmin, LogScanner, Watermarks
from ugc_core.log_rules import check_range
from ugc_etl.replay.plans import Kind, Selection
from ugc_etl.replay.ports import ReplayLedger
from ugc_etl.replay.spans import Span, subtract

_NO_END = 2**63


@dataclass(frozen=True, kw_only=True)
class Planning:
    """Finds ranges; changes nothing.

    Attributes:
        admin: Knows where topics begin and end, and what is committed.
        scanner: Reads the log.
        ledger: Knows what is ingested.
        topic: The topic of the reports.
        dlq_topic: The topic of the dead letters.
        group: The pipeline's consumer group.
    """

    admin: LogAdmin
    scanner: LogScanner
    ledger: ReplayLedger
    topic: str
    dlq_topic: str
    group: str

    def topic_of(self, kind: Kind) -> str:
        """Return the topic that such a replay reads."""
        return self.dlq_topic if kind is Kind.LETTERS else self.topic

    async def spans(self, selection: Selection) -> list[Span]:
        """Return what is meant, in order.

        Raises:
            OffsetOutOfRangeError: Some of it is no longer in the log, or not yet.
        """
        topic = self.topic_of(selection.kind)
        marks = await self._marks(topic, selection)
        if selection.ranges:
            spans = subtract(selection.ranges, ())
        elif selection.kind is Kind.GAPS:
            spans = await self._gaps(selection, marks)
        else:
            spans = [
                await self._range(topic, selection, partition, ends)
                for partition, ends in marks.items()
            ]
        for span in spans:
            check_range(topic, span.partition, span.start, span.end, marks[span.partition])
        return [span for span in spans if span.size]

    async def _marks(self, topic: str, selection: Selection) -> Mapping[int, Watermarks]:
        """Return the ends of the partitions that are meant."""
        marks = dict(sorted((await self.admin.watermarks(topic)).items()))
        named = {span.partition for span in selection.ranges}
        if selection.partition is not None:
            named.add(selection.partition)
        for partition in sorted(named - set(marks)):
            msg = f"{topic} has no partition {partition}; it has {len(marks)}, from 0"
            raise OffsetOutOfRangeError(msg)
        return {partition: marks[partition] for partition in sorted(named)} if named else marks

    async def _range(
        self, topic: str, selection: Selection, partition: int, ends: Watermarks
    ) -> Span:
        start, end = selection.from_offset, selection.until_offset
        if start is None:
            start = await self._start_at(topic, selection.from_ms, partition, ends)
        if end is None:
            end = await self._end_at(topic, selection.until_ms, partition, ends)
        if selection.from_ms is not None:  # a range of times may hold nothing
            end = max(end, start)
        return Span(partition=partition, start=start, end=end)

    async def _start_at(
        self, topic: str, from_ms: int | None, partition: int, ends: Watermarks
    ) -> int:
        if from_ms is None:
            return ends.low
        start = (await self.admin.offsets_at(topic, from_ms))[partition]
        if start == ends.low > 0:
            await self._check_oldest(topic, from_ms, partition, ends)
        return start

    async def _check_oldest(
        self, topic: str, from_ms: int, partition: int, ends: Watermarks
    ) -> None:
        """Make sure that no record of the wanted time may have been removed."""
        oldest = await self.scanner.scan(topic, partition, ends.low, ends.high, max_records=1)
        if oldest and oldest[0].timestamp_ms <= from_ms:
            return
        begins = (
            datetime.fromtimestamp(oldest[0].timestamp_ms / 1000, UTC).isoformat()
            if oldest
            else "after the last one that was removed"
        )
        msg = (
            f"{topic}[{partition}]: records before offset {ends.low} were removed, and some may be"
            f" of the wanted time: the oldest that is left is of {begins}. Choose a later"
            " --from-time, or --all for everything that is left; look for the rest in an archive"
        )
        raise OffsetOutOfRangeError(msg)

    async def _end_at(
        self, topic: str, until_ms: int | None, partition: int, ends: Watermarks
    ) -> int:
        if until_ms is None:
            return ends.high
        return (await self.admin.offsets_at(topic, until_ms))[partition]

    async def _gaps(self, selection: Selection, marks: Mapping[int, Watermarks]) -> list[Span]:
        """Return what the group has committed past and the ledger lacks.

        A partition's account begins with its first range, or with the log's oldest record if
        that is lower; what retention took before either is nobody's gap.
        """
        covered = await self.ledger.covered(self.topic)
        commits = await self.admin.committed_by(self.group, self.topic)
        accounted: list[Span] = []
        for partition, ends in marks.items():
            firsts = [span.start for span in covered if span.partition == partition]
            begin = min([ends.low, *firsts])
            commit = commits.get(partition)
            committed = begin if commit is None else max(commit.offset, begin)
            accounted.append(Span(partition=partition, start=begin, end=committed))
        wanted = (selection.from_offset or 0, selection.until_offset or _NO_END)
        gaps = [span.within(*wanted) for span in subtract(accounted, covered)]
        return [span for span in gaps if span.size]
