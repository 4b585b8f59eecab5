"""The loop goes on after what passes, and stops where a person must act."""

import asyncio

import pytest

from tests.unit.ugc_etl.builders import BAD, TOPIC, event, line
from tests.unit.ugc_etl.checked_pipeline import DEADLINE_S, CheckedReader, ids, stored
from tests.unit.ugc_etl.fakes import GROUP, FlakyReader, FlakyStore, World, assert_tiled, step_until
from ugc_core import telemetry
from ugc_core.errors import OffsetOutOfRangeError, PoisonedLogError
from ugc_core.log import Commit


async def test_a_log_that_does_not_answer_is_asked_again(clock):
    world = World(clock=clock)
    world.append_each([event(n) for n in range(4)])
    reader = FlakyReader(world.log, clock, failures=3)

    await step_until(world.pipeline(reader, max_rows=2), lambda: world.caught_up)

    assert stored(world) == ids(*range(4))
    retries = world.metrics.registry.get_sample_value(
        telemetry.ETL_RETRIES, {"error": "LogUnavailableError"}
    )
    assert retries == 9


async def test_a_log_that_does_not_answer_is_not_asked_without_a_pause(clock):
    world = World(clock=clock)
    reader = FlakyReader(world.log, clock, failures=1)

    await world.pipeline(reader).step()

    assert clock.now() >= 0.05


async def test_a_store_that_is_down_loses_nothing():
    world = World(store=FlakyStore(failures=7))
    world.append_each([event(n) for n in range(5)])

    await step_until(world.pipeline(CheckedReader(world), max_rows=2), lambda: world.caught_up)

    assert stored(world) == ids(*range(5))
    assert_tiled(world)


async def test_an_offset_that_is_gone_stops_the_service():
    world = World()
    world.append_each([event(n) for n in range(4)])
    world.log.commits[GROUP, TOPIC, 0] = Commit(offset=1)
    world.log.trim(TOPIC, 0, 3)

    with pytest.raises(OffsetOutOfRangeError):
        await world.pipeline().step()

    assert world.store.events == []


async def test_records_that_went_unread_stop_the_service_though_the_commits_have_expired_too():
    world = World()
    world.append_each([event(n) for n in range(2)])
    await step_until(world.pipeline(), lambda: world.caught_up)
    world.append_each([event(n) for n in range(2, 5)])
    world.log.commits.clear()
    world.log.trim(TOPIC, 0, 3)

    with pytest.raises(OffsetOutOfRangeError, match=r"ends at 2, .* starts at 3"):
        await step_until(world.pipeline(), lambda: world.caught_up)

    assert stored(world) == ids(0, 1)
    assert world.committed() == 0


async def test_without_commits_everything_that_is_still_there_is_read_again():
    world = World()
    world.append_each([event(n) for n in range(3)])
    await step_until(world.pipeline(), lambda: world.caught_up)
    world.append_each([event(n) for n in range(3, 5)])
    world.log.commits.clear()
    world.log.trim(TOPIC, 0, 1)

    await step_until(world.pipeline(), lambda: world.caught_up)

    assert stored(world) == ids(*range(5))


async def test_a_poisoned_partition_stops_the_service_with_nothing_committed_past_it():
    world = World()
    world.append(line(1))
    for _ in range(4):
        world.append(BAD)

    with pytest.raises(PoisonedLogError):
        await asyncio.wait_for(
            world.pipeline(max_rows=1, max_bad_in_a_row=3).run(asyncio.Event()), DEADLINE_S
        )

    assert stored(world) == ids(1)
    assert world.committed() <= 3
