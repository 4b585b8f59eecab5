"""A delivery whose store, log or partition is gone waits or gives up, and loses nothing."""

import pytest

from tests.unit.ugc_etl.builders import BAD, batch, event, line
from tests.unit.ugc_etl.fakes import (
    FlakyLetters,
    FlakyReader,
    FlakyStore,
    RebalancedReader,
    World,
    places,
)
from ugc_core.errors import PartitionLostError


async def test_a_store_that_is_down_delays_the_batch_and_loses_nothing(clock):
    world = World(clock=clock, store=FlakyStore(failures=3))

    await world.delivery().deliver(batch(world.append(line(1))), None)

    assert world.store.events == [event(1)]
    assert world.committed() == 1
    assert clock.now() > 0


async def test_nothing_is_committed_past_a_store_that_is_down():
    class WatchedStore(FlakyStore):
        """Notes what was committed whenever it fails."""

        def _fail(self, kind: str) -> None:
            committed.append(world.committed())
            super()._fail(kind)

    committed: list[int] = []
    world = World(store=WatchedStore(failures=3))

    await world.delivery().deliver(batch(world.append(line(1))), None)

    assert {*committed} == {0}


async def test_dead_letters_that_cannot_be_written_hold_everything_back(clock):
    class WatchedLetters(FlakyLetters):
        """Notes what was committed and recorded whenever it is called."""

        async def put(self, letters):
            seen.append((world.committed(), len(world.store.ledger)))
            await super().put(letters)

    seen: list[tuple[int, int]] = []
    world = World(clock=clock, letters=WatchedLetters(failures=3))

    await world.delivery().deliver(batch(world.append(BAD)), None)

    assert seen == [(0, 0)] * 4
    assert places(world) == [(0, 0)]
    assert world.committed() == 1


async def test_a_log_that_does_not_take_the_commit_is_asked_again(clock):
    world = World(clock=clock)
    reader = FlakyReader(world.log, clock, failures=3)

    await world.delivery(reader).deliver(batch(world.append(line(1))), None)

    assert world.committed() == 1


async def test_a_partition_that_is_lost_before_the_insert_is_left_alone(clock):
    world = World(clock=clock)
    reader = RebalancedReader(world.log, clock)
    reader.lose(0)

    with pytest.raises(PartitionLostError):
        await world.delivery(reader).deliver(batch(world.append(line(1))), None)

    assert world.store.events == []
    assert world.log.commits == {}


async def test_a_partition_that_is_lost_after_the_insert_is_not_committed(clock):
    world = World(clock=clock)
    reader = RebalancedReader(world.log, clock)
    found = batch(world.append(line(1)))
    reader.lose(0)
    delivery = world.delivery(reader)
    delivery.announced(found.range)

    with pytest.raises(PartitionLostError):
        await delivery.deliver(found, None)

    assert world.store.events == [event(1)]
    assert world.log.commits == {}
