"""Keeps what others count as plain integers where the fellow workers find it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ugc_api.operating.metrics import ApiMetrics
from ugc_core.clock import Clock

_EVERY_S = 1.0
"""So old may another worker's share of these counts be in a scrape, in seconds."""


@asynccontextmanager
async def refreshing(metrics: ApiMetrics, clock: Clock) -> AsyncIterator[None]:
    """Take over in the block what `metrics` follows, now and then and at the end."""
    task = asyncio.create_task(_refresh_each(metrics, clock))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        metrics.refresh()


async def _refresh_each(metrics: ApiMetrics, clock: Clock) -> None:
    while True:
        await clock.sleep(_EVERY_S)
        metrics.refresh()
