"""The loop: partitions side by side, none of them in another one's way."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.ugc_etl.builders import TOPIC, event, line
from tests.unit.ugc_etl.fakes import (
    GROUP,
    ChoosyStore,
    Countdown,
    CountedReader,
    FlakyReader,
    FlakyStore,
    GatedStore,
    PromptReader,
    RebalancedReader,
    World,
    assert_tiled,
    step_until,
)
from ugc_core import telemetry
from ugc_core.errors import OffsetOutOfRangeError, PartitionLostError, PoisonedLogError
from ugc_core.log import Commit, Record
from ugc_etl.pipeline import Pipeline
from ugc_etl.ports import Range

BAD = b"{no report}"
DEADLINE_S = 10


def stored(world: World) -> list[str]:
    return sorted(str(e.event_id) for e in world.store.events)


def ids(*numbers: int) -> list[str]:
    return sorted(str(event(n).event_id) for n in numbers)


class CheckedReader(PromptReader):
    """Knows what is stored, and refuses to commit past anything else."""

    def __init__(self, world: World) -> None:
        super().__init__(world.log, world.clock)
        self.world = world

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        assert_stored_below(self.world, commits)
        await super().commit(commits)


def assert_stored_below(world: World, commits: Mapping[int, Commit]) -> None:
    """Check that every event below a commit is in the store, or among the dead letters."""
    kept = {e.event_id for e in world.store.events}
    dead = {(partition, offset) for _, partition, offset, _ in world.letters.letters}
    for partition, commit in commits.items():
        for record in world.log.records[TOPIC, partition]:
            offset = record.offset
            if offset >= commit.offset:
                break
            numbers = [n for n in range(100) if line(n) in record.value.split(b"\n")]
            assert all(event(n).event_id in kept for n in numbers) or (partition, offset) in dead


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


def gauge(world: World, name: str) -> float:
    found = world.metrics.registry.get_sample_value(name)
    assert found is not None
    return found


# --- partitions that come and go


async def test_a_new_partition_is_picked_up_without_a_restart():
    world = World()
    pipeline = world.pipeline(max_rows=1)
    world.append_each([event(1)])
    await step_until(pipeline, lambda: world.caught_up)

    world.grow(2)
    world.append_each([event(2)], partition=1)
    await step_until(pipeline, lambda: world.caught_up)

    assert stored(world) == ids(1, 2)


async def test_a_partition_that_goes_to_another_member_is_dropped_without_a_commit():
    world = World(store=GatedStore(0))
    world.append_each([event(n) for n in range(3)])
    reader = RebalancedReader(world.log, world.clock)
    pipeline = world.pipeline(reader, max_rows=1)
    await step_until(pipeline, lambda: world.store.waiting == {0})

    reader.lose(0)
    await pipeline.step()
    world.store.open()
    await pipeline.step()
    await pipeline.drain()

    assert world.store.events == []
    assert world.committed() == 0


async def test_a_partition_that_comes_back_starts_again_at_its_commit():
    world = World(store=GatedStore(0))
    world.append_each([event(n) for n in range(4)])
    reader = RebalancedReader(world.log, world.clock)
    pipeline = world.pipeline(reader, max_rows=1)
    await step_until(pipeline, lambda: world.store.waiting == {0})
    reader.lose(0)
    await pipeline.step()

    world.store.open()
    reader.gain(0)
    await step_until(pipeline, lambda: world.caught_up)

    assert stored(world) == ids(*range(4))
    assert_tiled(world)


async def test_a_partition_that_was_paused_when_it_went_is_read_when_it_comes_back():
    world = World(store=GatedStore(0))
    world.append_each([event(n) for n in range(6)])
    reader = RebalancedReader(world.log, world.clock)
    pipeline = world.pipeline(reader, max_rows=1, max_buffered_bytes=len(line(1)))
    await step_until(pipeline, lambda: gauge(world, telemetry.ETL_PAUSED) == 1)
    reader.lose(0)
    await pipeline.step()

    world.store.open()
    reader.gain(0)
    await step_until(pipeline, lambda: world.caught_up)

    assert stored(world) == ids(*range(6))


class Expelled(CheckedReader):
    """Has one commit refused, when more comes in, and reads on as if nothing had happened."""

    def __init__(self, world: World, *, at_commit: int) -> None:
        super().__init__(world)
        self.left = at_commit

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        self.left -= 1
        if self.left == 0:
            self.world.append_each([event(8), event(9)])
            msg = "another generation"
            raise PartitionLostError(msg)
        await super().commit(commits)


class Rejoining(Expelled):
    """Has one commit refused; the next poll starts again at the last one that was not."""

    async def poll(self, *, max_records: int, timeout_s: float) -> Mapping[int, Sequence[Record]]:
        if self.left == 0:
            self.left = -1
            self._positions.clear()
        return await super().poll(max_records=max_records, timeout_s=timeout_s)


@pytest.mark.parametrize("reader", [Expelled, Rejoining])
@pytest.mark.parametrize("at_commit", range(1, 6))
async def test_work_that_was_dropped_for_a_lost_partition_is_done_if_it_is_ours_again(
    reader, at_commit
):
    """A new generation of the group: the polls show the same partitions as before."""
    world = World()
    world.append_each([event(n) for n in range(8)])
    consumer = reader(world, at_commit=at_commit)

    await step_until(world.pipeline(consumer, max_rows=2, max_age_s=0.5), lambda: world.caught_up)

    assert consumer.left <= 0
    assert stored(world) == ids(*range(10))
    assert_tiled(world)


class Restarted(CheckedReader):
    """Starts again at its last commit with one poll, as after a rebalance, and says nothing."""

    def __init__(self, world: World, *, at_poll: int) -> None:
        super().__init__(world)
        self.at_poll = at_poll

    async def poll(self, *, max_records: int, timeout_s: float) -> Mapping[int, Sequence[Record]]:
        if self.polls == self.at_poll:
            self._positions.clear()
        return await super().poll(max_records=max_records, timeout_s=timeout_s)


@pytest.mark.parametrize("at_poll", range(1, 6))
@pytest.mark.parametrize("open_at", [1, 7])
async def test_a_reader_that_starts_again_by_itself_makes_no_batch_that_runs_backwards(
    at_poll, open_at
):
    world = World(store=GatedStore(0))
    world.append_each([event(n) for n in range(8)])
    reader = Restarted(world, at_poll=at_poll)
    pipeline = world.pipeline(reader, max_rows=3, max_age_s=0.5)

    def opened_and_done() -> bool:
        if reader.polls >= open_at:
            world.store.open()
        return world.caught_up

    await step_until(pipeline, opened_and_done)

    assert stored(world) == ids(*range(8))
    assert_tiled(world)


async def test_dropped_work_without_any_commit_is_done_from_where_reading_began():
    world = World()
    world.append_each([event(n) for n in range(8)])
    world.log.trim(TOPIC, 0, 5)
    reader = Expelled(world, at_commit=1)

    await step_until(world.pipeline(reader, max_rows=2), lambda: world.caught_up)

    assert stored(world) == ids(*range(5, 10))


async def test_a_lost_partition_is_not_flushed_by_a_graceful_stop():
    world = World()
    world.append_each([event(n) for n in range(8)])
    pipeline = world.pipeline(Expelled(world, at_commit=1), max_rows=2)
    await pipeline.step()
    await asyncio.sleep(0)

    await finish(pipeline, asyncio.Event())

    assert world.store.events == []
    assert world.log.commits == {}


# --- the world fails


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


# --- the end


async def finish(pipeline: Pipeline, stop: asyncio.Event) -> None:
    """Let a running pipeline end, within the tests' deadline."""
    stop.set()
    await asyncio.wait_for(pipeline.run(stop), DEADLINE_S)


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


# --- the law


plans = st.lists(
    st.sampled_from(["append", "append bad", "append disliked", "step", "kill", "stop", "grow"]),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(plans, st.integers(1, 4))
def test_whatever_happens_every_line_is_stored_or_dead_and_the_ledger_tiles(plan, max_rows):
    asyncio.run(follow(plan, max_rows))


class Story:
    """A world in which things happen by a plan, and the process that works in it, if any."""

    def __init__(self, plan: list[str], max_rows: int) -> None:
        self.disliked = [n for n, action in enumerate(plan) if action == "append disliked"]
        self.world = World(store=ChoosyStore(*(event(n).event_id for n in self.disliked)))
        self.max_rows = max_rows
        self.pipeline: Pipeline | None = None

    async def follow(self, action: str, number: int) -> None:
        """Let one thing happen."""
        partitions = len(self.world.log.partitions(TOPIC))
        match action:
            case "append" | "append disliked":
                self.world.append(line(number), partition=number % partitions)
            case "append bad":
                self.world.append(BAD, line(number), partition=number % partitions)
            case "grow":
                self.world.grow(min(partitions + 1, 4))
            case "step":
                self.pipeline = self.pipeline or self.process()
                await self.pipeline.step()
            case "kill" if self.pipeline:
                await self.pipeline._cancel([*self.pipeline._lines.values()])
                self.pipeline = None
            case "stop" if self.pipeline:
                await finish(self.pipeline, asyncio.Event())
                self.pipeline = None

    def process(self) -> Pipeline:
        """Return a process that starts anew."""
        return self.world.pipeline(CheckedReader(self.world), max_rows=self.max_rows)


async def follow(plan: list[str], max_rows: int) -> None:
    story = Story(plan, max_rows)
    for number, action in enumerate(plan):
        await story.follow(action, number)
    await story.follow("kill", len(plan))
    await step_until(story.process(), lambda: story.world.caught_up)

    good = [n for n, action in enumerate(plan) if action in {"append", "append bad"}]
    assert stored(story.world) == ids(*good)
    assert len(story.world.letters.letters) == plan.count("append bad") + len(story.disliked)
    for partition in story.world.log.partitions(TOPIC):
        assert_tiled(story.world, partition)
