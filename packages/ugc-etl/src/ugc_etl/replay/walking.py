"""Through the records of a plan, batch by batch, no faster than allowed, until told to stop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from ugc_core.log import LogScanner
from ugc_core.settings import EtlSection
from ugc_etl.batches import Batch, Lane, count_lines
from ugc_etl.replay.spans import Span
from ugc_etl.replay.tallies import Tally
from ugc_etl.replay.token_bucket import TokenBucket
from ugc_etl.retry import Retry

_PAGE = 2000


class Hand(Protocol):
    """What is done with a batch."""

    async def take(self, batch: Batch) -> Tally:
        """Do it, whole, and count; a repeat after a crash is harmless."""


@dataclass(kw_only=True)
class Walk:
    """Reads ranges of a topic outside of every consumer group.

    Attributes:
        topic: The topic.
        scanner: Reads it.
        retry: How to wait for the log.
        limits: How large a batch may be.
        hand: Takes each batch.
        bucket: How fast; None for as fast as it goes.
        tally: What was counted so far.
    """

    topic: str
    scanner: LogScanner
    retry: Retry
    limits: EtlSection
    hand: Hand
    bucket: TokenBucket | None = None
    tally: Tally = field(default_factory=Tally)

    async def run(
        self, spans: Sequence[Span], stop: asyncio.Event, told: Callable[[Tally], None]
    ) -> bool:
        """Go through the ranges; return whether they are done or it was told to stop.

        Args:
            spans: The ranges.
            stop: Once set, the batch in hand is the last.
            told: Called after every batch.

        Raises:
            OffsetOutOfRangeError: Some of a range is gone; nothing after it was read.
        """
        for span in spans:
            at = span.start
            async for batch in self._batches(span):
                if await self._stopped(stop, batch):
                    return False
                self.tally.add(await self.hand.take(batch))
                self.tally.offsets += batch.next_offset - at
                at = batch.next_offset
                told(self.tally)
            self.tally.offsets += span.end - at
        told(self.tally)
        return True

    async def _batches(self, span: Span) -> AsyncIterator[Batch]:
        """Cut the range as the pipeline would."""
        lane = Lane(topic=self.topic, partition=span.partition, limits=self.limits)
        at = span.start
        while at < span.end:
            scan = partial(
                self.scanner.scan, self.topic, span.partition, at, span.end, max_records=_PAGE
            )
            page = await self.retry.until_done("reading the log", scan)
            if not page:
                return
            lane.add(page, now=0)
            while batch := lane.flush(now=0):
                yield batch
            at = page[-1].offset + 1

    async def _stopped(self, stop: asyncio.Event, batch: Batch) -> bool:
        """Wait for the batch's turn; say whether to stop instead."""
        if self.bucket is not None:
            while not stop.is_set() and await self.bucket.pause():
                pass
            self.bucket.take(sum(map(count_lines, batch.records)))
        return stop.is_set()
