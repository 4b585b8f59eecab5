"""Ranges, rates and plans: what a replay decides without effects, and over the log in memory."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ugc_etl.builders import TOPIC, line
from tests.unit.ugc_etl.fakes import GROUP, World
from ugc_core.adapters.memory_log import MemoryLogAdmin, MemoryLogReader, MemoryLogScanner
from ugc_core.clock import ManualClock
from ugc_core.errors import OffsetOutOfRangeError
from ugc_core.log import Commit
from ugc_core.settings import EtlSection
from ugc_etl.adapters.memory_replay_ledger import MemoryReplayLedger
from ugc_etl.batches import Batch
from ugc_etl.ports import LedgerEntry, Range
from ugc_etl.replay.planning import Planning
from ugc_etl.replay.plans import Kind, Plan, Selection, new_id
from ugc_etl.replay.spans import Span, size, subtract
from ugc_etl.replay.tallies import Tally
from ugc_etl.replay.token_bucket import TokenBucket
from ugc_etl.replay.walking import Walk


def span(start: int, end: int, partition: int = 0) -> Span:
    return Span(partition=partition, start=start, end=end)


spans = st.lists(
    st.builds(
        lambda p, start, many: span(start, start + many, p),
        st.integers(0, 2),
        st.integers(0, 30),
        st.integers(0, 12),
    ),
    max_size=8,
)


def offsets(some: Sequence[Span]) -> set[tuple[int, int]]:
    return {(one.partition, offset) for one in some for offset in range(one.start, one.end)}


@given(spans, spans)
def test_what_is_left_is_what_was_wanted_without_what_is_covered(wanted, covered):
    assert offsets(subtract(wanted, covered)) == offsets(wanted) - offsets(covered)


def test_what_is_left_of_separate_ranges_names_each_offset_once_and_in_order():
    left = subtract([span(0, 10), span(20, 30)], [span(3, 5), span(8, 22), span(0, 1)])

    assert left == [span(1, 3), span(5, 8), span(22, 30)]
    assert size(left) == 13


async def test_a_bucket_lets_a_second_of_burst_through_and_then_keeps_the_rate():
    clock = ManualClock()
    bucket = TokenBucket(100, clock)
    taken = 0
    while clock.now() < 10:
        while await bucket.pause():
            pass
        bucket.take(30)
        taken += 30

    assert 1000 <= taken <= 100 + 1000 + 2 * 30


async def test_a_batch_above_the_rate_is_paid_for_by_the_next_one():
    clock = ManualClock()
    bucket = TokenBucket(10, clock)
    bucket.take(60)

    assert bucket.wait_s() == pytest.approx(5.0)
    while await bucket.pause():
        pass
    assert clock.now() == pytest.approx(5.0)


async def test_a_wait_is_cut_so_that_a_stop_is_noticed():
    clock = ManualClock()
    bucket = TokenBucket(1, clock)
    bucket.take(1000)

    assert await bucket.pause()
    assert clock.now() <= 0.5


def planning(world: World) -> Planning:
    return Planning(
        admin=MemoryLogAdmin(world.log),
        scanner=MemoryLogScanner(world.log),
        ledger=MemoryReplayLedger(world.store),
        topic=TOPIC,
        dlq_topic=f"{TOPIC}.dlq",
        group=GROUP,
    )


def ten_records() -> World:
    world = World()
    for number in range(10):
        world.append(line(number))
    world.log.high[TOPIC, 0] = 10
    return world


async def committed(world: World, offset: int, *ranges: tuple[int, int]) -> None:
    """Commit, and note ranges in the ledger."""
    await MemoryLogReader(world.log, TOPIC, GROUP).commit({0: Commit(offset=offset)})
    for first, last in ranges:
        many = last - first + 1
        await world.store.record(
            LedgerEntry(
                topic=TOPIC,
                partition=0,
                range=Range(first=first, last=last),
                records=many,
                lines=many,
                stored=many,
                dead=0,
                erased=0,
                content_hash="",
            )
        )


async def test_without_bounds_everything_is_meant():
    assert await planning(ten_records()).spans(Selection()) == [span(0, 10)]


async def test_offsets_may_be_open_at_one_end():
    plans = planning(ten_records())

    assert await plans.spans(Selection(partition=0, from_offset=4)) == [span(4, 10)]
    assert await plans.spans(Selection(partition=0, until_offset=4)) == [span(0, 4)]


async def test_ranges_that_overlap_are_replayed_once():
    found = await planning(ten_records()).spans(Selection(ranges=(span(2, 6), span(2, 6))))

    assert offsets(found) == offsets([span(2, 6)])


@pytest.mark.parametrize(
    "selection",
    [
        Selection(partition=0, from_offset=2),
        Selection(partition=0, until_offset=11),
        Selection(partition=0, from_offset=8, until_offset=7),
        Selection(ranges=(span(0, 5),)),
        Selection(partition=3, from_offset=0),
        Selection(from_ms=0),
    ],
)
async def test_a_range_that_is_not_there_whole_is_refused(selection: Selection):
    world = ten_records()
    world.log.trim(TOPIC, 0, 3)

    with pytest.raises(OffsetOutOfRangeError):
        await planning(world).spans(selection)


async def test_everything_that_is_left_is_no_error():
    world = ten_records()
    world.log.trim(TOPIC, 0, 3)

    assert await planning(world).spans(Selection()) == [span(3, 10)]


async def test_gaps_are_what_was_committed_past_without_a_note():
    world = ten_records()
    await committed(world, 8, (0, 1), (4, 5))

    assert await planning(world).spans(Selection(kind=Kind.GAPS)) == [span(2, 4), span(6, 8)]


async def test_what_is_not_committed_is_no_gap():
    world = ten_records()

    assert await planning(world).spans(Selection(kind=Kind.GAPS)) == []


async def test_a_gap_that_retention_has_taken_is_an_error_unless_it_is_left_out():
    world = ten_records()
    await committed(world, 9, (0, 1), (4, 5))
    world.log.trim(TOPIC, 0, 3)

    with pytest.raises(OffsetOutOfRangeError):
        await planning(world).spans(Selection(kind=Kind.GAPS))
    later = Selection(kind=Kind.GAPS, partition=0, from_offset=3)
    assert await planning(world).spans(later) == [span(3, 4), span(6, 9)]


class CountingHand:
    """Counts the batches it gets; stops the walk after some."""

    def __init__(self, stop: asyncio.Event, after: int) -> None:
        self.batches: list[Batch] = []
        self._stop, self._after = stop, after

    async def take(self, batch: Batch) -> Tally:
        self.batches.append(batch)
        if len(self.batches) == self._after:
            self._stop.set()
        return Tally(records=len(batch.records))


async def test_a_walk_that_is_told_to_stop_ends_after_the_batch_in_hand():
    world, stop = ten_records(), asyncio.Event()
    hand = CountingHand(stop, after=2)
    walk = Walk(
        topic=TOPIC,
        scanner=MemoryLogScanner(world.log),
        retry=world.retry(),
        limits=EtlSection(max_rows=3),
        hand=hand,
    )

    assert not await walk.run([span(0, 10)], stop, lambda _: None)
    assert [batch.range for batch in hand.batches] == [
        Range(first=0, last=2),
        Range(first=3, last=5),
    ]
    assert walk.tally.offsets == walk.tally.records == 6


async def test_a_walk_keeps_its_rate():
    world, stop = ten_records(), asyncio.Event()
    walk = Walk(
        topic=TOPIC,
        scanner=MemoryLogScanner(world.log),
        retry=world.retry(),
        limits=EtlSection(max_rows=1),
        hand=CountingHand(stop, after=99),
        bucket=TokenBucket(1, world.clock),
    )

    assert await walk.run([span(0, 10)], stop, lambda _: None)
    assert world.clock.now() == pytest.approx(8.0)


def test_a_closed_gap_is_noted_under_the_topic_itself():
    def plan(kind: Kind) -> Plan:
        return Plan(id="x", kind=kind, topic=TOPIC, spans=())

    assert plan(Kind.GAPS).ledger_topic == TOPIC
    assert plan(Kind.LOG).ledger_topic == f"{TOPIC}#replay-x"


def test_two_replays_of_one_millisecond_have_different_ids():
    assert new_id(0) != new_id(0)
