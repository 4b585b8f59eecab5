"""One batch, from the log to the warehouse: the order of effects stands here, once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from ugc_core.errors import PoisonedLogError, RowsRefusedError
from ugc_core.log import LogCommitter
from ugc_etl.batches import Batch
from ugc_etl.decoding import Decoded, decode, refused_letters
from ugc_etl.intents import with_intent
from ugc_etl.metrics import EtlMetrics
from ugc_etl.ports import DeadLetter, DeadLetters, LedgerEntry, Range, ViewsStore
from ugc_etl.retry import Retry
from ugc_etl.rows import Rows

_log = structlog.get_logger()


@dataclass(kw_only=True)
class Delivery:
    """Delivers the batches of one partition, one after the other.

    Attributes:
        committer: Where positions and intents go.
        store: Where rows and the ledger go.
        dead_letters: Where lines go that cannot be stored.
        retry: How to wait for the world to recover.
        metrics: What is counted.
        max_bad_in_a_row: Records in a row without a good line before the service stops.
    """

    committer: LogCommitter
    store: ViewsStore
    dead_letters: DeadLetters
    retry: Retry
    metrics: EtlMetrics
    max_bad_in_a_row: int
    _announced: Range | None = None
    _streak: int = field(default=0)

    def announced(self, span: Range | None) -> None:
        """Take over the intent that was committed before."""
        self._announced = span

    async def deliver(self, batch: Batch, following: Range | None) -> None:
        """Bring a batch home; each step repeats harmlessly after a crash.

        1. The intent is committed, unless the commit before has announced this range.
        2. The rows are inserted under the batch's token.
        3. Lines that cannot be stored are dead letters, durable.
        4. The ledger has the batch.
        5. The position is committed, with the range of the batch that follows.

        Args:
            batch: The records.
            following: Range of the next batch, if it is known already.

        Raises:
            PartitionLostError: Another member has the partition now.
            PoisonedLogError: Too many records in a row have no good line.
        """
        if self._announced != batch.range:
            await self._commit(batch.partition, batch.range.first, batch.range)
        decoded = self._decode(batch)
        content_hash = batch.content_hash()
        dead = [*decoded.dead]
        for number, rows in enumerate(decoded.rows.spans()):
            dead += await self._insert(batch.topic, rows, f"{batch.token(content_hash)}:{number}")
        if dead:
            await self._bury(dead)
        entry = LedgerEntry(
            topic=batch.topic,
            partition=batch.partition,
            range=batch.range,
            records=len(batch.records),
            lines=decoded.lines,
            stored=decoded.lines - len(dead),
            dead=len(dead),
            erased=0,
            content_hash=content_hash,
        )
        await self.retry.until_done("ledger entry", partial(self.store.record, entry))
        await self._commit(batch.partition, batch.next_offset, following)
        self._streak = decoded.streak
        self.metrics.delivered(entry)

    async def _commit(self, partition: int, offset: int, span: Range | None) -> None:
        commits = {partition: with_intent(offset, span)}
        await self.retry.until_done("commit", partial(self.committer.commit, commits))
        self._announced = span

    def _decode(self, batch: Batch) -> Decoded:
        decoded = decode(batch, streak=self._streak)
        if decoded.longest_streak >= self.max_bad_in_a_row:
            first = decoded.dead[0]
            msg = (
                f"{batch.topic}[{batch.partition}]: {decoded.longest_streak} records in a row"
                f" hold no report, near offset {first.offset}: {first.reason}. Something else"
                " writes to this topic, or a newer version does. Nothing was committed past"
                " them; mend the source, or raise UGC_ETL__MAX_BAD_IN_A_ROW to set them aside"
            )
            raise PoisonedLogError(msg)
        return decoded

    async def _insert(self, topic: str, rows: Rows, token: str) -> Sequence[DeadLetter]:
        """Insert rows; halve those that are refused until the bad ones stand alone.

        Each part has a token of its own, made from the whole's, so that a repeat after a
        crash splits in the same way.
        """
        if not rows:
            return []
        try:
            with self.metrics.insert_seconds.time():
                await self.retry.until_done("insert", partial(self.store.insert, rows, token=token))
        except RowsRefusedError as error:
            if len(rows) == 1:
                return refused_letters(topic, rows, str(error))
            middle = len(rows) // 2
            left = await self._insert(topic, rows.slice(0, middle), f"{token}l")
            right = await self._insert(topic, rows.slice(middle, len(rows)), f"{token}r")
            return [*left, *right]
        return []

    async def _bury(self, dead: Sequence[DeadLetter]) -> None:
        put = partial(self.dead_letters.put, dead)
        await self.retry.until_done("dead letters", put)
        first = dead[0]
        _log.error(
            "dead_letters",
            count=len(dead),
            first=f"{first.topic}:{first.partition}:{first.offset}:{first.line}",
            reason=first.reason,
        )
