"""A dry run's hand: it counts, and changes nothing."""

from dataclasses import dataclass
from functools import partial

from ugc_etl.batches import Batch
from ugc_etl.erasures import ErasedUsers
from ugc_etl.replay.portions import Sorting
from ugc_etl.replay.ports import ReplayLedger
from ugc_etl.replay.tallies import Tally
from ugc_etl.retry import Retry


@dataclass(frozen=True, kw_only=True)
class Counting:
    """Says what a replay would do.

    Attributes:
        sorting: Sorts lines.
        ledger: Knows what the warehouse has.
        erased: The users to forget.
        retry: How to wait.
    """

    sorting: Sorting
    ledger: ReplayLedger
    erased: ErasedUsers
    retry: Retry

    async def take(self, batch: Batch) -> Tally:
        """Count a batch."""
        portion = self.sorting.sort(batch, self.erased)
        tally = Tally(
            records=len(batch.records),
            lines=portion.lines,
            events=sum(map(len, portion.rows)),
            dead=len(portion.dead),
            erased=portion.erased,
        )
        for rows in portion.rows:
            tally.already += await self.retry.until_done(
                "stored reports", partial(self.ledger.stored, rows)
            )
        return tally
