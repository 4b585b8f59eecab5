"""A pipeline with a fault: it commits before it inserts, and dies in between. For the tests.

`python -m chaos.hasty_etl` takes the place of ugc-etl; the oracle has to name what it lost.
"""

import os

from ugc_etl import bootstrap
from ugc_etl.batches import Batch
from ugc_etl.delivery import Delivery
from ugc_etl.intents import with_intent
from ugc_etl.main import main
from ugc_etl.ports import Range

_CODE = 70


class HastyDelivery(Delivery):
    """Commits its first batch, and never stores it."""

    async def deliver(self, batch: Batch, following: Range | None) -> None:
        """Commit, and die."""
        done = with_intent(batch.next_offset, following)
        await self.committer.commit({batch.partition: done})
        os._exit(_CODE)


if __name__ == "__main__":
    vars(bootstrap)["Delivery"] = HastyDelivery
    main()
