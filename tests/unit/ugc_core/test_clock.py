"""Time that a test moves, and the machine's."""

import asyncio
from datetime import UTC, datetime

from ugc_core.clock import Clock, ManualClock, SystemClock


async def test_a_manual_clock_moves_only_by_sleeping(clock):
    assert (clock.now(), clock.wall_ms()) == (0.0, 1_767_225_600_000)

    await clock.sleep(1.5)
    await clock.sleep(0)

    assert (clock.now(), clock.wall_ms()) == (1.5, 1_767_225_601_500)


async def test_many_short_sleeps_lose_no_millisecond(clock):
    for _ in range(10):
        await clock.sleep(0.1)

    assert clock.wall_ms() == 1_767_225_601_000


async def test_other_tasks_run_while_a_manual_clock_sleeps(clock):
    seen = []

    async def other():
        seen.append(clock.now())

    task = asyncio.create_task(other())
    await clock.sleep(5)
    await task

    assert seen == [5]


def test_a_manual_clock_starts_where_it_is_told_to():
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000

    assert ManualClock().wall_ms() == start
    assert ManualClock(wall_ms=5).wall_ms() == 5


async def test_the_system_clock_goes_forward():
    clock: Clock = SystemClock()
    before, wall = clock.now(), clock.wall_ms()

    await clock.sleep(0.001)

    assert clock.now() > before
    assert clock.wall_ms() >= wall
    assert wall > 1_700_000_000_000
