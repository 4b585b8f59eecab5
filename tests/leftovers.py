"""Counts what only the cyclic garbage collector can free."""

import gc
from collections.abc import Awaitable, Callable


async def left_behind(action: Callable[[], Awaitable[object]]) -> int:
    """Return how many objects in cycles some calls leave behind."""
    for _ in range(3):
        await action()
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            await action()
        return gc.collect()
    finally:
        gc.enable()
