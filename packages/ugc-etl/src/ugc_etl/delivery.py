"""One batch, from the log to the warehouse: the order of effects stands here, once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import structlog
from msgspec.structs import replace

from ugc_core.codec import Erasure, decode_erasures
from ugc_core.errors import MalformedLineError, OffsetOutOfRangeError, PoisonedLogError
from ugc_core.log import LogCommitter
from ugc_core.log_rules import way_on
from ugc_core.tracing import Tracing
from ugc_etl.batches import Batch
from ugc_etl.decoding import Decoded, decode, unreadable_letters
from ugc_etl.erasures import ErasedUser, ErasedUsers, without_erased
from ugc_etl.insert_spans import traced
from ugc_etl.insertion import Insertion
from ugc_etl.intents import with_intent
from ugc_etl.metrics import EtlMetrics
from ugc_etl.ports import DeadLetter, DeadLetters, LedgerEntry, Range, ViewsStore
from ugc_etl.retry import Retry

_log = structlog.get_logger()


@dataclass(kw_only=True)
class Delivery:
    """Delivers the batches of one partition, one after the other.

    Attributes:
        committer: Where positions and intents go.
        store: Where rows and the ledger go.
        dead_letters: Where lines go that cannot be stored.
        oldest: Returns where the log begins, in a partition.
        retry: How to wait for the world to recover.
        metrics: What is counted.
        max_bad_in_a_row: Records in a row without a good line, or rows in a row that the store
            refuses, before the service stops.
        insert_tokens: Whether inserts carry a deduplication token.
        tracing: Traces the inserts of traced reports.
    """

    committer: LogCommitter
    store: ViewsStore
    dead_letters: DeadLetters
    oldest: Callable[[int], Awaitable[int]]
    retry: Retry
    metrics: EtlMetrics
    max_bad_in_a_row: int
    insert_tokens: bool = True
    tracing: Tracing | None = None
    _announced: Range | None = None
    _unplaced: bool = False
    _erased: ErasedUsers | None = None
    _streak: int = field(default=0)

    def announced(self, span: Range | None) -> None:
        """Take over the intent that was committed before."""
        self._announced = span

    def unplaced(self) -> None:
        """Know that the group has no position here: its first one, or the last has expired."""
        self._unplaced = True

    async def deliver(self, batch: Batch, following: Range | None) -> None:
        """Bring a batch home; each step repeats harmlessly after a crash.

        1. The intent is committed, unless the commit before has announced this range.
        2. The rows are inserted under the batch's token; an erasure record deletes instead.
        3. Lines that cannot be stored are dead letters, durable.
        4. The ledger has the batch.
        5. The position is committed, with the range of the batch that follows.

        Args:
            batch: The records.
            following: Range of the next batch, if it is known already.

        Raises:
            OffsetOutOfRangeError: Records between the ledger's end and this batch went unread.
            PartitionLostError: Another member has the partition now.
            PoisonedLogError: Too many records in a row have no good line.
            WarehouseRefusesAllError: Too many rows in a row were refused.
        """
        if self._unplaced:
            await self._check_beginning(batch)
        if self._announced != batch.range:
            await self._commit(batch.partition, batch.range.first, batch.range)
        if self._erased is None:
            self._erased = await self.retry.until_done("erasures", self.store.erased)
        entry = await (self._erase(batch) if batch.is_erasure else self._keep(batch))
        await self.retry.until_done("ledger entry", partial(self.store.record, entry))
        await self._commit(batch.partition, batch.next_offset, following)
        self.metrics.delivered(entry)

    async def _check_beginning(self, batch: Batch) -> None:
        """Without a position reading begins with the oldest record: none may be missing before.

        Offsets alone may be: others' transactions leave some that hold no record.
        """
        ask = partial(self.store.reached, batch.topic, batch.partition)
        reached = await self.retry.until_done("ledger", ask)
        if reached is not None and reached < batch.range.first:
            low = await self.retry.until_done("log", partial(self.oldest, batch.partition))
            if reached < low:
                msg = (
                    f"{batch.topic}[{batch.partition}]: the group has no position any more, the"
                    f" ledger ends at {reached}, and the log starts at {low}; records between"
                    f" were removed unread. {way_on(batch.partition)}"
                )
                raise OffsetOutOfRangeError(msg)
        self._unplaced = False

    async def _keep(self, batch: Batch) -> LedgerEntry:
        """Store the reports of a batch, and set aside what is none."""
        decoded = self._decode(batch)
        content_hash = batch.content_hash()
        token = batch.token(content_hash)
        rows = without_erased(decoded.rows, self._known)
        with traced(self.tracing, batch, decoded.lines):
            refused = await self._insertion.insert(batch.topic, rows, token)
        dead = [*decoded.dead, *refused]
        if dead:
            await self._bury(dead)
        self._streak = decoded.streak
        erased = len(decoded.rows) - len(rows)
        return _entry(batch, content_hash, lines=decoded.lines, dead=len(dead), erased=erased)

    async def _erase(self, batch: Batch) -> LedgerEntry:
        """Forget the users of an erasure record: everything before it is stored by now.

        One that was carried out before is left alone: what is stored of that user since
        came after it.
        """
        record = batch.records[0]
        dead: list[DeadLetter] = []
        erasures: list[Erasure] = []
        try:
            erasures = decode_erasures(record.value)
        except MalformedLineError as error:
            dead = unreadable_letters(batch.topic, record, error.reason)
            await self._bury(dead)
        for erasure in erasures:
            user = ErasedUser(
                user_id=erasure.user_id,
                partition=batch.partition,
                offset=record.offset,
                requested_ms=erasure.requested_at,
            )
            if self._known.is_done(user):
                continue
            await self.retry.until_done("erasure", partial(self.store.erase, user))
            self._known.add(replace(user, done=True))
            _log.info("user_erased", partition=batch.partition, offset=record.offset)
        lines = len(erasures) + len(dead)
        return _entry(
            batch, batch.content_hash(), lines=lines, dead=len(dead), erased=len(erasures)
        )

    @cached_property
    def _insertion(self) -> Insertion:
        return Insertion(
            store=self.store,
            retry=self.retry,
            max_refused_in_a_row=self.max_bad_in_a_row,
            tokens=self.insert_tokens,
            timer=self.metrics.insert_seconds.time,
        )

    @property
    def _known(self) -> ErasedUsers:
        """The erasures so far; they are read before the first batch."""
        return self._erased if self._erased is not None else ErasedUsers()

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


def _entry(batch: Batch, content_hash: str, *, lines: int, dead: int, erased: int) -> LedgerEntry:
    return LedgerEntry(
        topic=batch.topic,
        partition=batch.partition,
        range=batch.range,
        records=len(batch.records),
        lines=lines,
        stored=lines - dead - erased,
        dead=dead,
        erased=erased,
        content_hash=content_hash,
    )
