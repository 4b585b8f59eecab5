"""One batch, from the log to the warehouse, whatever fails on the way."""

from collections.abc import Sequence

import pytest

from tests.unit.ugc_etl.builders import NOW_MS, TOPIC, event, line
from tests.unit.ugc_etl.fakes import (
    ChoosyStore,
    Countdown,
    CountedLetters,
    CountedReader,
    CountedStore,
    CrashError,
    FlakyLetters,
    FlakyReader,
    FlakyStore,
    PromptReader,
    RebalancedReader,
    World,
    assert_tiled,
    step_until,
)
from ugc_core import telemetry
from ugc_core.errors import PartitionLostError, PoisonedLogError, WarehouseRefusesAllError
from ugc_core.log import Record
from ugc_etl.batches import Batch
from ugc_etl.ports import LedgerEntry, Range

BAD = b"{no report}"
MONTH_MS = 30 * 86_400_000
LAST_EFFECT = 21
"""Effects of the work in the crash tests: the last one ends it."""


def batch(*records: Record) -> Batch:
    return Batch(topic=TOPIC, partition=0, records=records)


def places(world: World) -> list[tuple[int, int]]:
    return sorted((offset, number) for _, _, offset, number in world.letters.letters)


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


# --- the world fails


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


# --- crashes


def fill(world: World) -> None:
    """Append what needs every kind of effect: good lines, bad ones, refused ones, old ones."""
    for n in range(6):
        world.append(line(2 * n), line(2 * n + 1, viewed_at=NOW_MS - n * 24 * MONTH_MS))
    world.append(BAD, line(50))
    world.append(line(51))


class Everything(CountedStore, ChoosyStore):
    """Counts its effects, and refuses one event."""

    def __init__(self, countdown: Countdown) -> None:
        super().__init__(countdown)
        self.disliked = {event(3).event_id}


async def run(world: World, countdown: Countdown) -> None:
    """Work as a new process until everything is committed, or until the crash."""
    world.store.countdown = world.letters.countdown = countdown
    reader = CountedReader(world.log, world.clock, countdown)
    pipeline = world.pipeline(reader, max_rows=5, max_age_s=0.1)
    await step_until(pipeline, lambda: world.caught_up)


async def crash_after(effects: int) -> World:
    """Fill a log and work on it, the first process crashing after so many effects."""
    world = World(store=Everything(Countdown()), letters=CountedLetters(Countdown()))
    fill(world)
    with pytest.raises(CrashError):
        await run(world, Countdown(effects))
    await run(world, Countdown())
    return world


async def all_effects() -> Sequence[str]:
    countdown = Countdown()
    world = World(store=Everything(countdown), letters=CountedLetters(countdown))
    fill(world)
    await run(world, countdown)
    return countdown.effects


@pytest.mark.parametrize("effects", range(1, LAST_EFFECT))
async def test_a_crash_after_any_single_effect_changes_nothing_in_the_end(effects):
    world = await crash_after(effects)

    assert {e.event_id for e in world.store.events} == {
        event(n).event_id for n in [*range(12), 50, 51] if n != 3
    }
    assert places(world) == [(1, 1), (6, 0)]
    assert_tiled(world)
    entries = world.store.ledger.values()
    assert sum(entry.lines for entry in entries) == 15
    assert all(entry.lines == entry.stored + entry.dead for entry in entries)


async def test_the_crashes_are_after_every_effect_there_is():
    assert len(await all_effects()) == LAST_EFFECT


@pytest.mark.parametrize("effects", range(1, LAST_EFFECT))
async def test_after_a_crash_the_same_range_has_the_same_token(effects):
    world = await crash_after(effects)

    by_range: dict[str, set[str]] = {}
    for token in world.store.tokens:
        _, _, span, content_hash, _ = token.split(":")
        by_range.setdefault(span, set()).add(content_hash)
    assert {*by_range} == {f"{span.first}-{span.last}" for span in world.tiles()}
    assert all(len(hashes) == 1 for hashes in by_range.values())


@pytest.mark.parametrize("effects", range(1, LAST_EFFECT))
async def test_a_second_crash_at_the_same_place_changes_nothing_either(effects):
    world = World(store=Everything(Countdown()), letters=CountedLetters(Countdown()))
    fill(world)
    for _ in range(2):
        try:
            await run(world, Countdown(effects))
        except CrashError:
            continue
    await run(world, Countdown())

    assert len(world.store.events) == 13
    assert_tiled(world)


async def test_without_tokens_a_repeat_still_keeps_every_event_once():
    """The identity is the guarantee: other cuts of the same records make other tokens."""
    world = World()
    world.append_each([event(n) for n in range(6)])
    records = world.log.records[TOPIC, 0]

    for size in (6, 1, 4):
        for start in range(0, 6, size):
            await world.delivery().deliver(batch(*records[start : start + size]), None)

    assert sorted(e.event_id for e in world.store.events) == [event(n).event_id for n in range(6)]


async def test_a_reader_that_starts_anew_finds_what_was_not_committed(clock):
    world = World(clock=clock)
    world.append_each([event(1), event(2)])
    found = batch(world.log.records[TOPIC, 0][0])

    await world.delivery().deliver(found, None)

    polled = await PromptReader(world.log, clock).poll(max_records=10, timeout_s=0)
    assert [record.offset for record in polled[0]] == [1]
