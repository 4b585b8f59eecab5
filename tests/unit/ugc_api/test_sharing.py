"""Costly questions: asked once, kept for a moment, called off when nobody waits."""

import asyncio

import pytest

from ugc_api.reading.sharing import SharedAnswers


class Question:
    """Counts how often it is asked; answers once the gate is open."""

    def __init__(self) -> None:
        self.asked = 0
        self.reached = asyncio.Event()
        self.ended = asyncio.Event()
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.asked += 1
        number = self.asked
        self.reached.set()
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            return number
        finally:
            self.ended.set()


@pytest.fixture
def shared(clock) -> SharedAnswers[str, int]:
    return SharedAnswers(clock, fresh_s=10, most=2)


async def test_equal_questions_at_one_time_are_one(shared):
    question = Question()
    waiting = [asyncio.create_task(shared.get("a", question)) for _ in range(20)]
    await question.reached.wait()
    question.gate.set()

    assert {answer.value for answer in await asyncio.gather(*waiting)} == {1}
    assert question.asked == 1


async def test_other_questions_are_asked_beside_it(shared):
    first, second = Question(), Question()
    waiting = asyncio.create_task(shared.get("a", first))
    second.gate.set()

    assert (await shared.get("b", second)).value == 1
    first.gate.set()
    assert (await waiting).value == 1


async def test_an_answer_is_good_for_as_long_as_was_said_and_tells_its_age(shared, clock):
    question = Question()
    question.gate.set()
    begun = clock.wall_ms()
    await shared.get("a", question)

    await clock.sleep(9.9)
    kept = await shared.get("a", question)
    await clock.sleep(0.1)
    fresh = await shared.get("a", question)

    assert (kept.value, kept.as_of_ms) == (1, begun)
    assert (fresh.value, fresh.as_of_ms) == (2, begun + 10_000)


async def test_an_answer_is_as_old_as_its_question_and_not_as_its_arrival(shared, clock):
    question = Question()
    waiting = asyncio.create_task(shared.get("a", question))
    await question.reached.wait()
    begun = clock.wall_ms()
    await clock.sleep(7)
    question.gate.set()

    assert (await waiting).as_of_ms == begun
    await clock.sleep(3)
    assert (await shared.get("a", question)).value == 2


async def test_a_failure_reaches_all_who_wait_and_is_not_kept(shared):
    question = Question()
    question.error = ValueError("no")
    waiting = [asyncio.create_task(shared.get("a", question)) for _ in range(3)]
    await question.reached.wait()
    question.gate.set()

    ended = await asyncio.gather(*waiting, return_exceptions=True)
    question.error = None

    assert [type(each) for each in ended] == [ValueError] * 3
    assert (await shared.get("a", question)).value == 2


async def test_one_who_leaves_takes_the_answer_from_nobody(shared):
    question = Question()
    leaving = asyncio.create_task(shared.get("a", question))
    staying = asyncio.create_task(shared.get("a", question))
    await question.reached.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    question.gate.set()

    assert (await staying).value == 1


async def test_a_question_that_nobody_waits_for_is_called_off_and_may_be_asked_anew(shared):
    question = Question()
    leaving = asyncio.create_task(shared.get("a", question))
    await question.reached.wait()
    leaving.cancel()
    await question.ended.wait()
    question.gate.set()

    assert (await shared.get("a", question)).value == 2


async def test_the_oldest_answer_makes_room(shared):
    question = Question()
    question.gate.set()
    for key in "abc":
        await shared.get(key, question)

    assert (await shared.get("c", question)).value == 3
    assert (await shared.get("b", question)).value == 2
    assert (await shared.get("a", question)).value == 4
