"""One timer for many waits: each future fails when its own time is over, and only then."""

import asyncio

import pytest

from ugc_core.deadlines import Deadlines
from ugc_core.errors import LogUnavailableError


def late() -> LogUnavailableError:
    return LogUnavailableError("late")


async def test_a_future_that_nobody_finishes_fails_with_the_given_error():
    loop = asyncio.get_running_loop()
    deadlines, future = Deadlines(0.01, late), loop.create_future()

    deadlines.watch(future, loop)

    with pytest.raises(LogUnavailableError, match="late"):
        await future


async def test_of_many_futures_only_the_unfinished_fail():
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(0.02, late)
    futures = [loop.create_future() for _ in range(6)]
    for future in futures:
        deadlines.watch(future, loop)
    for future in futures[::2]:
        future.set_result("done")
    futures[1].cancel()

    found = await asyncio.gather(*futures, return_exceptions=True)

    assert found[::2] == ["done"] * 3
    assert isinstance(found[1], asyncio.CancelledError)
    assert all(isinstance(error, LogUnavailableError) for error in found[3::2])


async def test_one_that_is_watched_later_fails_later():
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(0.05, late)
    first, second = loop.create_future(), loop.create_future()
    deadlines.watch(first, loop)
    await asyncio.sleep(0.02)
    deadlines.watch(second, loop)

    await asyncio.wait({first})

    assert not second.done()
    await asyncio.wait({second})
    assert isinstance(first.exception(), LogUnavailableError)
    assert isinstance(second.exception(), LogUnavailableError)


async def test_after_the_close_nobody_fails_any_more():
    loop = asyncio.get_running_loop()
    deadlines, future = Deadlines(0.001, late), loop.create_future()
    deadlines.watch(future, loop)

    deadlines.close()
    await asyncio.sleep(0.005)

    assert not future.done()
