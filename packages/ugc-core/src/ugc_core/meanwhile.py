"""Work that goes on beside a block, and ends with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

from ugc_core.clock import Clock


@asynccontextmanager
async def meanwhile(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run `work` beside the block, and have it end before whatever comes after."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def again_and_again(action: Callable[[], object], *, every_s: float, clock: Clock) -> None:
    """Rest and act, until cancelled."""
    while True:
        await clock.sleep(every_s)
        action()
