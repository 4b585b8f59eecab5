"""Keeps what others count as plain integers where the fellow workers find it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ugc_api.operating.metrics import ApiMetrics
from ugc_core.clock import Clock
from ugc_core.meanwhile import again_and_again, meanwhile

_EVERY_S = 1.0
"""So old may another worker's share of these counts be in a scrape, in seconds."""


@asynccontextmanager
async def refreshing(metrics: ApiMetrics, clock: Clock) -> AsyncIterator[None]:
    """Take over in the block what `metrics` follows, now and then and at the end."""
    try:
        async with meanwhile(again_and_again(metrics.refresh, every_s=_EVERY_S, clock=clock)):
            yield
    finally:
        metrics.refresh()
