"""Rows that the store refuses are set aside one by one, and too many of them stop the service."""

import pytest

from tests.unit.ugc_etl.builders import BAD, batch, event, line
from tests.unit.ugc_etl.fakes import ChoosyStore, World, places
from ugc_core.errors import PoisonedLogError, WarehouseRefusesAllError

# --- rows that the store refuses


@pytest.mark.parametrize("bad", range(9))
async def test_a_refused_row_is_found_and_costs_no_other(bad):
    world = World(store=ChoosyStore(event(bad).event_id))
    lines = [line(n) for n in range(9)]

    await world.delivery().deliver(batch(world.append(*lines)), None)

    assert places(world) == [(0, bad)]
    [letter] = world.letters.letters.values()
    assert (letter.payload, letter.reason) == (line(bad), "does not fit")
    assert {e.event_id for e in world.store.events} == {
        event(n).event_id for n in range(9) if n != bad
    }


async def test_several_refused_rows_are_found():
    world = World(store=ChoosyStore(*(event(n).event_id for n in (0, 1, 6))))

    await world.delivery().deliver(batch(*(world.append(line(n)) for n in range(8))), None)

    assert places(world) == [(0, 0), (1, 0), (6, 0)]
    assert len(world.store.events) == 5
    assert world.committed() == 8


async def test_a_batch_of_refused_rows_alone_is_all_dead():
    world = World(store=ChoosyStore(*(event(n).event_id for n in range(5))))

    await world.delivery().deliver(batch(world.append(*(line(n) for n in range(5)))), None)

    assert places(world) == [(0, n) for n in range(5)]
    assert world.store.events == []


async def test_the_parts_of_a_refused_batch_have_tokens_of_their_own_each_time_the_same():
    world = World(store=ChoosyStore(event(3).event_id, event(7).event_id))
    found = batch(world.append(*(line(n) for n in range(8))))

    await world.delivery().deliver(found, None)
    once = [*world.store.tokens]
    await world.delivery().deliver(found, None)

    assert len({*once}) == len(once) == 4
    assert world.store.tokens == once * 2


# --- the fuse


async def test_too_many_records_without_a_good_line_stop_the_service_with_nothing_committed():
    world = World()
    found = batch(*(world.append(BAD) for _ in range(3)))

    with pytest.raises(PoisonedLogError, match=r"views\[0\].*near offset 0.*MAX_BAD_IN_A_ROW"):
        await world.delivery(max_bad_in_a_row=3).deliver(found, None)

    assert world.committed() == 0
    assert places(world) == []
    assert world.store.ledger == {}


async def test_the_fuse_counts_over_batches():
    world = World()
    first = batch(world.append(BAD), world.append(BAD))
    second = batch(world.append(BAD), world.append(line(1)))
    delivery = world.delivery(max_bad_in_a_row=3)

    await delivery.deliver(first, None)
    with pytest.raises(PoisonedLogError):
        await delivery.deliver(second, None)

    assert world.committed() == 2


async def test_too_many_rows_that_the_store_refuses_stop_the_service_with_nothing_committed():
    world = World(store=ChoosyStore(*(event(n).event_id for n in range(8))))
    found = batch(*(world.append(line(n)) for n in range(8)))

    with pytest.raises(WarehouseRefusesAllError, match=r"views\[0\].*3 reports in a row.*does not"):
        await world.delivery(max_bad_in_a_row=3).deliver(found, None)

    assert world.committed() == 0
    assert places(world) == []
    assert world.store.ledger == {}


async def test_the_fuse_for_refused_rows_counts_over_batches():
    world = World(store=ChoosyStore(*(event(n).event_id for n in range(4))))
    first, second = (batch(*(world.append(line(n)) for n in lot)) for lot in ((0, 1), (2, 3)))
    delivery = world.delivery(max_bad_in_a_row=3)

    await delivery.deliver(first, None)
    with pytest.raises(WarehouseRefusesAllError):
        await delivery.deliver(second, None)

    assert world.committed() == 2


async def test_stored_rows_between_refused_ones_keep_the_fuse_whole():
    world = World(store=ChoosyStore(*(event(n).event_id for n in range(12) if n % 3)))
    found = batch(*(world.append(line(n)) for n in range(12)))

    await world.delivery(max_bad_in_a_row=3).deliver(found, None)

    assert len(places(world)) == 8
    assert world.committed() == 12


async def test_good_records_between_bad_ones_keep_the_fuse_whole():
    world = World()
    found = batch(*(world.append(*([BAD] * 5), line(n)) for n in range(5)))

    await world.delivery(max_bad_in_a_row=1).deliver(found, None)

    assert len(world.store.events) == 5
    assert len(places(world)) == 25
