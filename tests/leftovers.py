"""Counts what only the cyclic garbage collector can free."""

import gc
from collections.abc import Awaitable, Callable

import pytest

Action = Callable[[], Awaitable[object]]


async def left_behind(action: Action) -> int:
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


def failing(error: type[Exception], action: Action) -> Action:
    """Return the action, expected to fail; its error is let go of at once."""

    async def fail() -> None:
        with pytest.raises(error) as caught:
            await action()
        del caught

    return fail
