"""A light task does what a task does: it waits, goes on, is cancelled, and leaves nothing."""

import asyncio
from contextvars import ContextVar

import pytest

from ugc_api.light_task import LightTask

SEEN: ContextVar[str] = ContextVar("SEEN", default="nothing")


async def begun(coroutine):
    """Begin a coroutine; return its task, and the set that it is in."""
    everyone: set[LightTask] = set()
    task = LightTask(coroutine, asyncio.get_running_loop(), everyone)
    assert everyone == {task}
    return task, everyone


async def ended(everyone):
    for _ in range(100):
        await asyncio.sleep(0)
    assert everyone == set()


async def test_it_begins_with_the_next_turn_and_goes_on_when_its_future_is_done():
    steps = []
    future = asyncio.get_running_loop().create_future()

    async def work():
        steps.append("begun")
        steps.append(await future)

    _, everyone = await begun(work())
    assert steps == []
    await asyncio.sleep(0)
    assert steps == ["begun"]
    future.set_result("done")
    await ended(everyone)

    assert steps == ["begun", "done"]


async def test_it_lets_others_run():
    steps = []

    async def work():
        for number in range(3):
            steps.append(number)
            await asyncio.sleep(0)

    _, everyone = await begun(work())
    await ended(everyone)

    assert steps == [0, 1, 2]


@pytest.mark.parametrize("error", [ValueError("wrong"), asyncio.CancelledError()])
async def test_an_error_that_it_waits_for_is_raised_where_it_waits(error):
    caught = []
    future = asyncio.get_running_loop().create_future()

    async def work():
        try:
            await future
        except BaseException as found:
            caught.append(type(found))

    _, everyone = await begun(work())
    await asyncio.sleep(0)
    if isinstance(error, ValueError):
        future.set_exception(error)
    else:
        future.cancel()
    await ended(everyone)

    assert caught == [type(error)]


async def test_cancelled_it_may_still_have_a_last_word():
    said = []
    future = asyncio.get_running_loop().create_future()

    async def work():
        try:
            await future
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            said.append("stopping")

    task, everyone = await begun(work())
    await asyncio.sleep(0)
    assert task.cancel("the end")
    await ended(everyone)

    assert said == ["stopping"]
    assert future.cancelled()


async def test_before_its_first_turn_there_is_nothing_to_cancel():
    async def work():
        await asyncio.sleep(0)

    task, everyone = await begun(work())
    assert not task.cancel()
    await ended(everyone)


async def test_what_one_sets_in_its_context_no_other_sees():
    found = []

    async def work(name):
        found.append(SEEN.get())
        SEEN.set(name)
        await asyncio.sleep(0)
        found.append(SEEN.get())

    SEEN.set("outside")
    for name in ("a", "b"):
        _, everyone = await begun(work(name))
        await ended(everyone)

    assert found == ["nothing", "a", "nothing", "b"]
    assert SEEN.get() == "outside"
