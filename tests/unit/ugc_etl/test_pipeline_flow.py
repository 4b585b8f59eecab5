"""The loop: partitions side by side, none in another one's way, all within the memory's bound."""

from tests.unit.ugc_etl.builders import BAD, TOPIC, event, line
from tests.unit.ugc_etl.checked_pipeline import gauge, ids, stored
from tests.unit.ugc_etl.fakes import (
    GROUP,
    Countdown,
    CountedReader,
    GatedStore,
    PromptReader,
    World,
    assert_tiled,
    step_until,
)
from ugc_core import telemetry
from ugc_core.log import Commit
from ugc_etl.ports import Range

# --- the plain way


async def test_what_is_in_the_log_reaches_the_store():
    world = World()
    world.append_each([event(n) for n in range(10)])

    await step_until(world.pipeline(max_rows=3), lambda: world.caught_up)

    assert stored(world) == ids(*range(10))
    assert_tiled(world)


async def test_a_full_batch_does_not_wait_for_its_age(clock):
    world = World(clock=clock)
    world.append_each([event(n) for n in range(4)])

    await step_until(world.pipeline(max_rows=2, max_age_s=1e4), lambda: world.caught_up)

    assert clock.now() < 1e4


async def test_a_small_batch_is_stored_once_it_is_old_enough(clock):
    world = World(clock=clock)
    world.append_each([event(1)])

    await step_until(world.pipeline(max_age_s=3.0), lambda: world.caught_up)

    assert 3.0 <= clock.now() < 4.0


async def test_the_memory_of_a_backlog_is_given_back_once_it_is_stored():
    world, given_back = World(), []
    world.append_each([event(n) for n in range(40)])
    pipeline = world.pipeline(max_rows=2, max_buffered_bytes=8 * 1000)
    pipeline.give_back = lambda: given_back.append(world.caught_up)

    await step_until(pipeline, lambda: bool(given_back))
    world.append_each([event(50)])  # no backlog
    await step_until(pipeline, lambda: world.caught_up)
    await pipeline.step()

    assert given_back == [True]


async def test_partitions_are_delivered_each_in_its_own_order():
    world = World()
    world.grow(3)
    for partition in range(3):
        world.append_each([event(partition * 10 + n) for n in range(6)], partition)

    await step_until(world.pipeline(max_rows=2), lambda: world.caught_up)

    assert len(world.store.events) == 18
    for partition in range(3):
        assert_tiled(world, partition)


async def test_work_goes_on_where_an_earlier_process_left_off():
    world = World()
    world.append_each([event(n) for n in range(4)])
    world.log.commits[GROUP, TOPIC, 0] = Commit(offset=2, metadata="of another consumer")

    await step_until(world.pipeline(max_rows=1), lambda: world.caught_up)

    assert stored(world) == ids(2, 3)


async def test_the_range_that_an_earlier_process_announced_is_repeated(clock):
    world = World(clock=clock)
    world.append_each([event(n) for n in range(6)])
    world.log.commits[GROUP, TOPIC, 0] = Commit(offset=1, metadata="intent=1-3")
    countdown = Countdown()

    reader = CountedReader(world.log, clock, countdown)
    await step_until(world.pipeline(reader, max_rows=1), lambda: world.caught_up)

    assert world.tiles()[0] == Range(first=1, last=3)
    assert countdown.effects[0].startswith("commit 4")  # and is not announced once more


async def test_the_commit_that_ends_a_batch_announces_the_next_one_if_it_is_due(clock):
    world = World(clock=clock)
    world.append_each([event(n) for n in range(4)])
    countdown = Countdown()

    reader = CountedReader(world.log, clock, countdown)
    await step_until(world.pipeline(reader, max_rows=2), lambda: world.caught_up)

    assert countdown.effects == ["commit 0 intent=0-1", "commit 2 intent=2-3", "commit 4"]


async def test_lines_are_counted():
    world = World()
    world.append(line(1), BAD, line(2))

    await step_until(world.pipeline(), lambda: world.caught_up)

    value = world.metrics.registry.get_sample_value
    assert value(telemetry.ETL_LINES, {"outcome": "stored"}) == 2
    assert value(telemetry.ETL_LINES, {"outcome": "dead"}) == 1
    assert value(telemetry.ETL_BATCHES) == 1


# --- backpressure


async def test_a_crowded_partition_is_paused_while_polling_and_the_others_go_on():
    world = World(store=GatedStore(0))
    world.grow(2)
    world.append_each([event(n) for n in range(5)], partition=0)
    world.append_each([event(10)], partition=1)
    reader = PromptReader(world.log, world.clock)
    pipeline = world.pipeline(reader, max_rows=1, max_buffered_bytes=len(line(1)))

    await step_until(pipeline, lambda: gauge(world, telemetry.ETL_PAUSED) == 1)
    world.append_each([event(5)], partition=0)
    world.append_each([event(11)], partition=1)
    polls = reader.polls
    await step_until(pipeline, lambda: world.committed(1) == 2)

    assert reader.polls > polls
    assert stored(world) == ids(10, 11)
    assert world.committed(0) == 0
    assert gauge(world, telemetry.ETL_BUFFERED_BYTES) < 5 * len(line(1))  # 5 went unread


async def test_a_paused_partition_is_resumed_when_there_is_room():
    world = World(store=GatedStore(0))
    world.append_each([event(n) for n in range(5)])
    pipeline = world.pipeline(max_rows=1, max_buffered_bytes=len(line(1)))

    await step_until(pipeline, lambda: gauge(world, telemetry.ETL_PAUSED) == 1)
    world.append_each([event(n) for n in range(5, 9)])
    world.store.open()
    await step_until(pipeline, lambda: world.caught_up)

    assert stored(world) == ids(*range(9))
    await pipeline.step()
    assert gauge(world, telemetry.ETL_PAUSED) == 0
    assert gauge(world, telemetry.ETL_BUFFERED_BYTES) == 0


async def test_a_store_that_is_down_for_long_holds_no_more_than_the_bound():
    world = World(store=GatedStore(0))
    pipeline = world.pipeline(max_rows=1, max_buffered_bytes=1000)

    for n in range(100):
        world.append_each([event(n)])
        await pipeline.step()

    assert gauge(world, telemetry.ETL_BUFFERED_BYTES) <= 1000 + len(line(99))
