"""One batch, from the log to the warehouse: in which order things happen, and what is noted."""

from tests.unit.ugc_etl.builders import BAD, MONTH_MS, NOW_MS, TOPIC, batch, event, line
from tests.unit.ugc_etl.fakes import (
    ChoosyStore,
    Countdown,
    CountedLetters,
    CountedReader,
    CountedStore,
    FlakyStore,
    World,
    places,
)
from ugc_core import telemetry
from ugc_etl.ports import LedgerEntry, Range


def counted(countdown: Countdown) -> World:
    return World(store=CountedStore(countdown), letters=CountedLetters(countdown))


# --- the order of effects


async def test_effects_come_in_an_order_in_which_a_crash_loses_nothing(clock):
    countdown = Countdown()
    world = counted(countdown)
    found = batch(world.append(line(1), BAD), world.append(line(2)))

    await world.delivery(CountedReader(world.log, clock, countdown)).deliver(found, None)

    assert countdown.effects == [
        "commit 0 intent=0-1",
        "insert 0-1",
        "letters 0",
        "ledger 0-1",
        "commit 2",
    ]


async def test_the_last_commit_announces_the_batch_that_follows(clock):
    countdown = Countdown()
    world = counted(countdown)
    first, second = batch(world.append(line(1))), batch(world.append(line(2)))
    delivery = world.delivery(CountedReader(world.log, clock, countdown))

    await delivery.deliver(first, second.range)
    await delivery.deliver(second, None)

    assert countdown.effects == [
        "commit 0 intent=0-0",
        "insert 0-0",
        "ledger 0-0",
        "commit 1 intent=1-1",
        "insert 1-1",  # announced already: no further commit
        "ledger 1-1",
        "commit 2",
    ]


async def test_an_intent_of_an_earlier_owner_is_not_committed_again(clock):
    countdown = Countdown()
    world = counted(countdown)
    found = batch(world.append(line(1)))
    delivery = world.delivery(CountedReader(world.log, clock, countdown))
    delivery.announced(found.range)

    await delivery.deliver(found, None)

    assert countdown.effects[0] == "insert 0-0"


async def test_a_batch_that_is_not_the_announced_one_is_announced_first(clock):
    countdown = Countdown()
    world = counted(countdown)
    found = batch(world.append(line(1)))
    delivery = world.delivery(CountedReader(world.log, clock, countdown))
    delivery.announced(Range(first=0, last=7))

    await delivery.deliver(found, None)

    assert countdown.effects[0] == "commit 0 intent=0-0"


async def test_a_batch_without_a_good_line_inserts_nothing_and_is_accounted_for():
    world = World()

    await world.delivery().deliver(batch(world.append(BAD)), None)

    assert world.store.tokens == []
    assert places(world) == [(0, 0)]
    assert world.committed() == 1


# --- what is noted


async def test_the_ledger_accounts_for_every_line():
    world = World(store=ChoosyStore(event(2).event_id))
    found = batch(world.append(line(1), line(2), BAD), world.append(line(3)))

    await world.delivery().deliver(found, None)

    assert [*world.store.ledger.values()] == [
        LedgerEntry(
            topic=TOPIC,
            partition=0,
            range=Range(first=0, last=1),
            records=2,
            lines=4,
            stored=2,
            dead=2,
            erased=0,
            content_hash=found.content_hash(),
        )
    ]


async def test_the_metrics_count_what_was_delivered():
    world = World(store=FlakyStore(failures=2))
    found = batch(world.append(line(1), line(2), BAD))

    await world.delivery().deliver(found, None)

    value = world.metrics.registry.get_sample_value
    assert value(telemetry.ETL_BATCHES) == 1
    assert value(telemetry.ETL_LINES, {"outcome": "stored"}) == 2
    assert value(telemetry.ETL_LINES, {"outcome": "dead"}) == 1
    assert value(f"{telemetry.ETL_INSERT_SECONDS}_count") == 1
    retries = value(telemetry.ETL_RETRIES, {"error": "WarehouseUnavailableError"})
    assert retries == 4  # two of the insert, two of the ledger


async def test_one_range_has_one_token_whoever_delivers_it():
    world = World()
    found = batch(world.append(line(1)), world.append(line(2)))

    await world.delivery().deliver(found, None)
    await world.delivery().deliver(found, None)

    assert len(world.store.tokens) == 2
    assert len({*world.store.tokens}) == 1
    assert len(world.store.ledger) == 1


async def test_rows_of_many_months_go_in_several_inserts_with_a_token_each():
    world = World()
    lines = [line(n, viewed_at=NOW_MS - n * MONTH_MS) for n in range(120)]

    await world.delivery().deliver(batch(world.append(*lines)), None)

    assert len(world.store.events) == 120
    assert len(world.store.tokens) >= 3
    assert len({*world.store.tokens}) == len(world.store.tokens)
