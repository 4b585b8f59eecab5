"""Erasures that a replay meets: one that nobody carried out, and one that came in between."""

from dataclasses import dataclass
from functools import partial

from ugc_core.log import LogAdmin, LogScanner
from ugc_etl.batches import Batch
from ugc_etl.decoding import decode
from ugc_etl.erasures import ErasedUser, without_erased
from ugc_etl.insertion import Insertion
from ugc_etl.ports import ViewsStore
from ugc_etl.retry import Retry

_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """Erases a user out of turn: what came after the erasure is put back from the log.

    In the log's order an erasure meets only what lies before it. Later, the tables hold
    reports of the same user that are to stay, and a deletion takes these, too.

    Attributes:
        topic: The topic of the reports.
        admin: Knows where it ends.
        scanner: Reads it.
        store: Deletes.
        insertion: Puts back.
        retry: How to wait.
    """

    topic: str
    admin: LogAdmin
    scanner: LogScanner
    store: ViewsStore
    insertion: Insertion
    retry: Retry

    async def forget(self, user: ErasedUser) -> None:
        """Delete everything of the user, then put back what an erasure does not reach.

        A crash in between is mended by the same call, which its caller repeats.

        Raises:
            OffsetOutOfRangeError: Records after the erasure are gone from the log.
        """
        await self.retry.until_done("erasure", partial(self.store.erase, user))
        # What is appended from here on, the pipeline has yet to store.
        marks = await self.retry.until_done(
            "watermarks", partial(self.admin.watermarks, self.topic)
        )
        for partition, ends in marks.items():
            start = user.offset + 1 if partition == user.partition else ends.low
            await self._restore(user, partition, start, ends.high)

    async def _restore(self, user: ErasedUser, partition: int, start: int, end: int) -> None:
        known = await self.retry.until_done("erasures", self.store.erased)
        while start < end:
            scan = partial(self.scanner.scan, self.topic, partition, start, end, max_records=_PAGE)
            page = await self.retry.until_done("reading the log", scan)
            if not page:
                return
            start = page[-1].offset + 1
            rows = decode(Batch(topic=self.topic, partition=partition, records=page)).rows
            own = rows.only([event.user_id == user.user_id for event in rows.events])
            # Without a token: it may have been used before the deletion, and would hide them.
            await self.insertion.insert(self.topic, without_erased(own, known), "")
