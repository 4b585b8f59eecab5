"""The loop ends when it is told to: with what it read delivered, or left to the next start."""

import asyncio

import pytest

from tests.unit.ugc_etl.builders import BAD, TOPIC, event
from tests.unit.ugc_etl.checked_pipeline import DEADLINE_S, finish, ids, stored
from tests.unit.ugc_etl.fakes import GROUP, GatedStore, World, assert_tiled, step_until
from ugc_core.errors import PoisonedLogError
from ugc_core.log import Commit
from ugc_etl.ports import Range


async def test_a_graceful_stop_delivers_what_was_read(clock):
    world = World(clock=clock)
    world.append_each([event(n) for n in range(5)])
    pipeline = world.pipeline(max_rows=2, max_age_s=1e4)
    await pipeline.step()
    assert world.committed() < 5

    await finish(pipeline, asyncio.Event())

    assert world.caught_up
    assert stored(world) == ids(*range(5))
    assert_tiled(world)


async def test_a_graceful_stop_waits_for_a_delivery_that_is_under_way():
    world = World(store=GatedStore(0))
    world.append_each([event(n) for n in range(5)])
    pipeline = world.pipeline(max_rows=2, max_age_s=1e4)
    await step_until(pipeline, lambda: world.store.waiting == {0})

    ending = asyncio.create_task(finish(pipeline, asyncio.Event()))
    await asyncio.sleep(0)
    world.store.open()
    await ending

    assert world.caught_up
    assert stored(world) == ids(*range(5))


async def test_a_stop_before_anything_was_read_ends_at_once():
    world = World()
    world.append_each([event(1)])

    await finish(world.pipeline(), asyncio.Event())

    assert world.store.events == []


async def test_what_the_drain_cannot_finish_in_time_is_left_uncommitted():
    world = World(store=GatedStore(0))
    world.grow(2)
    world.append_each([event(n) for n in range(3)], partition=0)
    world.append_each([event(10)], partition=1)
    pipeline = world.pipeline(max_rows=2, max_age_s=1e4, drain_s=0.1)
    await step_until(pipeline, lambda: world.store.waiting == {0})

    await finish(pipeline, asyncio.Event())

    assert world.committed(0) == 0
    assert world.committed(1) == 1
    world.store.open()
    await asyncio.sleep(0)
    assert stored(world) == ids(10)  # nothing works on behind our back

    await step_until(world.pipeline(max_rows=2), lambda: world.caught_up)
    assert stored(world) == ids(0, 1, 2, 10)


async def test_half_a_promised_range_is_left_to_the_next_start():
    world = World()
    world.append_each([event(n) for n in range(2)])
    world.log.commits[GROUP, TOPIC, 0] = Commit(offset=0, metadata="intent=0-3")
    pipeline = world.pipeline()
    await pipeline.step()

    await finish(pipeline, asyncio.Event())
    assert world.committed() == 0

    world.append_each([event(n) for n in range(2, 4)])
    await step_until(world.pipeline(), lambda: world.caught_up)
    assert world.tiles() == [Range(first=0, last=3)]


async def test_a_delivery_that_fails_for_good_while_draining_is_not_hidden():
    world = World()
    for _ in range(3):
        world.append(BAD)
    pipeline = world.pipeline(max_age_s=1e4, max_bad_in_a_row=3)
    await pipeline.step()

    with pytest.raises(PoisonedLogError):
        await finish(pipeline, asyncio.Event())

    assert world.committed() == 0


async def test_cancelling_the_pipeline_ends_its_deliveries():
    world = World(store=GatedStore(0))
    world.append_each([event(1)])
    pipeline = world.pipeline(max_rows=1)
    running = asyncio.create_task(pipeline.run(asyncio.Event()))
    await asyncio.wait_for(world.store.inside.wait(), DEADLINE_S)

    running.cancel()
    await asyncio.wait({running}, timeout=DEADLINE_S)

    assert running.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert world.committed() == 0
