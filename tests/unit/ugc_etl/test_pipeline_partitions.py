"""Partitions that come, go and come back: nothing is committed for another, nothing is left out."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from tests.unit.ugc_etl.builders import TOPIC, event, line
from tests.unit.ugc_etl.checked_pipeline import CheckedReader, finish, gauge, ids, stored
from tests.unit.ugc_etl.fakes import GatedStore, RebalancedReader, World, assert_tiled, step_until
from ugc_core import telemetry
from ugc_core.errors import PartitionLostError
from ugc_core.log import Commit, Record
from ugc_etl.pipeline import Pipeline


async def test_a_new_partition_is_picked_up_without_a_restart():
    world = World()
    pipeline = world.pipeline(max_rows=1)
    world.append_each([event(1)])
    await step_until(pipeline, lambda: world.caught_up)

    world.grow(2)
    world.append_each([event(2)], partition=1)
    await step_until(pipeline, lambda: world.caught_up)

    assert stored(world) == ids(1, 2)


async def held_at_an_insert(many: int) -> tuple[World, RebalancedReader, Pipeline]:
    """Return a pipeline that has read so many records, and whose first insert has no answer yet."""
    world = World(store=GatedStore(0))
    world.append_each([event(n) for n in range(many)])
    reader = RebalancedReader(world.log, world.clock)
    pipeline = world.pipeline(reader, max_rows=1)
    await step_until(pipeline, lambda: world.store.waiting == {0})
    return world, reader, pipeline


async def test_a_partition_that_goes_to_another_member_is_dropped_without_a_commit():
    world, reader, pipeline = await held_at_an_insert(3)

    reader.lose(0)
    await pipeline.step()
    world.store.open()
    await pipeline.step()
    await pipeline.drain()

    assert world.store.events == []
    assert world.committed() == 0


async def test_a_partition_that_comes_back_starts_again_at_its_commit():
    world, reader, pipeline = await held_at_an_insert(4)
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
