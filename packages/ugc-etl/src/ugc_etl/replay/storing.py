"""A replay's hand: one batch into the warehouse. The order of effects stands here, once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ugc_core.log import LogWriter
from ugc_etl.batches import Batch
from ugc_etl.erasures import ErasedUser, ErasedUsers
from ugc_etl.insertion import Insertion
from ugc_etl.letters.filters import Letter
from ugc_etl.letters.line_format import Place, place_of
from ugc_etl.letters.resolutions import Resolution, close_letters
from ugc_etl.ports import DeadLetter, LedgerEntry, ViewsStore
from ugc_etl.replay.forgetting import Forgetting
from ugc_etl.replay.graves import Graves
from ugc_etl.replay.plans import Kind, Plan
from ugc_etl.replay.portions import Portion, Sorting
from ugc_etl.replay.tallies import Tally
from ugc_etl.retry import Retry


@dataclass(frozen=True, kw_only=True)
class Storing:
    """Puts the reports of each batch into the warehouse, beside the pipeline.

    Attributes:
        plan: The replay.
        views_topic: The topic that the reports were accepted into.
        sorting: Sorts lines.
        insertion: Inserts.
        store: Where the ledger and the erasures are.
        forgetting: Erases out of turn.
        graves: Letters of dead lines.
        box: Writes to the topic of the letters.
        retry: How to wait for the world to recover.
    """

    plan: Plan
    views_topic: str
    sorting: Sorting
    insertion: Insertion
    store: ViewsStore
    forgetting: Forgetting
    graves: Graves
    box: LogWriter
    retry: Retry

    async def take(self, batch: Batch) -> Tally:
        """Bring a batch home; each step repeats harmlessly after a crash.

        1. The rows are inserted, under tokens that no pipeline and no other replay uses: a
           token outlives the deletion of its rows.
        2. Users whose erasure came between reading the erasures and the insert are erased
           again; an erasure record that nobody carried out is carried out.
        3. Lines that cannot be stored are dead letters; letters that are stored are closed.
        4. The ledger has the batch.
        """
        erased = await self.retry.until_done("erasures", self.store.erased)
        portion = self.sorting.sort(batch, erased)
        content_hash = batch.content_hash()
        token = f"replay:{self.plan.id}:{batch.token(content_hash)}"
        refused: list[DeadLetter] = []
        for rows in portion.rows:
            name = f"{token}:{rows.partition}"
            refused += await self.insertion.insert(self.views_topic, rows, name)
        taken_back = await self._forget(portion, refused, erased)
        if self.plan.kind is Kind.LETTERS:
            await self._close(portion, refused)
        else:
            await self.graves.bury([*portion.dead, *refused])
        tally = Tally(
            records=len(batch.records),
            lines=portion.lines,
            events=sum(map(len, portion.rows)) - len(refused) - taken_back,
            dead=len(portion.dead) + len(refused),
            erased=portion.erased + taken_back,
        )
        entry = _entry(self.plan.ledger_topic, batch, content_hash, tally)
        await self.retry.until_done("ledger entry", partial(self.store.record, entry))
        return tally

    async def _forget(
        self, portion: Portion, refused: Sequence[DeadLetter], before: ErasedUsers
    ) -> int:
        """Erase whom the insert may have brought back; return how many lines that takes.

        An erasure is noted before its deletion begins. So one that is not noted now will
        delete what was inserted; one that is noted may have deleted before the insert.
        """
        if self.plan.kind is Kind.GAPS:
            for user in portion.erasures:
                if not before.is_done(user):
                    await self.forgetting.forget(user)
        now = await self.retry.until_done("erasures", self.store.erased)
        places = {(letter.partition, letter.offset, letter.line) for letter in refused}
        hidden = [
            (event, source)
            for rows in portion.rows
            for event, source in zip(rows.events, rows.sources, strict=True)
            if (rows.partition, source.offset, source.line) not in places
            and now.hides(event, partition=rows.partition, offset=source.offset)
        ]
        for user in _newest(now, {event.user_id for event, _ in hidden}):
            await self.forgetting.forget(user)
        return len(hidden)

    async def _close(self, portion: Portion, refused: Sequence[DeadLetter]) -> None:
        still = {place_of(letter) for letter in refused}
        stored = [place for place in _places(portion.letters) if place not in still]
        for places, resolution in (
            (stored, Resolution.REPLAYED),
            (_places(portion.hidden), Resolution.ERASED),
        ):
            close = partial(close_letters, self.box, places, resolution)
            await self.retry.until_done("closing letters", close)


def _newest(known: ErasedUsers, users: Iterable[object]) -> Sequence[ErasedUser]:
    """Return the last erasure of each of these users."""
    wanted = set(users)
    newest = {
        erasure.user_id: erasure
        for erasure in sorted(known, key=lambda one: (one.requested_ms, one.offset))
        if erasure.user_id in wanted
    }
    return [*newest.values()]


def _places(letters: Iterable[Letter]) -> list[Place]:
    return [place_of(letter.content) for letter in letters]


def _entry(topic: str, batch: Batch, content_hash: str, tally: Tally) -> LedgerEntry:
    return LedgerEntry(
        topic=topic,
        partition=batch.partition,
        range=batch.range,
        records=tally.records,
        lines=tally.lines,
        stored=tally.events,
        dead=tally.dead,
        erased=tally.erased,
        content_hash=content_hash,
    )
