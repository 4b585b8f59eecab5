"""Which records go into one insert, and when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ugc_etl.builders import TOPIC, batch, limits, record
from ugc_core.codec import split_lines
from ugc_core.log import Record
from ugc_core.settings import EtlSection
from ugc_etl.batches import Batch, Lane, count_lines
from ugc_etl.ports import Range


def lane(promised: Range | None = None, **changes: object) -> Lane:
    return Lane(topic=TOPIC, partition=0, limits=limits(**changes), promised=promised)


def offsets(found: Batch | None) -> list[int]:
    return [record.offset for record in found.records] if found else []


# --- when


def test_an_empty_lane_is_never_due():
    empty = lane()

    assert empty.empty
    assert empty.due_in_s(now=1e9) is None
    assert empty.cut(now=1e9) is None
    assert empty.flush(now=1e9) is None


def test_a_batch_is_due_when_it_has_enough_lines():
    full = lane(max_rows=4)
    full.add([record(0, b"a", b"b", b"c")], now=0)
    assert full.cut(now=0) is None

    full.add([record(1, b"d")], now=0)

    assert offsets(full.cut(now=0)) == [0, 1]


def test_a_batch_is_due_when_it_has_enough_bytes():
    full = lane(max_bytes=10)
    full.add([record(0, b"12345")], now=0)
    assert full.cut(now=0) is None

    full.add([record(1, b"12345")], now=0)

    assert offsets(full.cut(now=0)) == [0, 1]


def test_a_batch_is_due_when_its_first_record_is_old_enough():
    waiting = lane(max_age_s=2.0)
    waiting.add([record(0)], now=10.0)
    waiting.add([record(1)], now=11.5)  # company does not make the first one younger

    assert waiting.due_in_s(now=10.5) == 1.5
    assert waiting.cut(now=11.9) is None
    assert offsets(waiting.cut(now=12.0)) == [0, 1]


def test_a_late_lane_is_due_at_once_and_never_in_the_past():
    waiting = lane(max_age_s=2.0)
    waiting.add([record(0)], now=0)

    assert waiting.due_in_s(now=100) == 0.0


def test_what_a_cut_leaves_behind_starts_its_age_anew():
    rest = lane(max_rows=1, max_age_s=2.0)
    rest.add([record(0), record(1, b"x", b"y")], now=0)
    rest.cut(now=1.0)
    rest.limits = limits(max_rows=9, max_age_s=2.0)

    assert rest.due_in_s(now=1.0) == 2.0


# --- what


def test_a_batch_holds_no_more_lines_than_allowed():
    full = lane(max_rows=3)
    full.add([record(0, b"a", b"b"), record(1, b"c", b"d"), record(2, b"e")], now=0)

    assert [offsets(full.cut(now=0)) for _ in range(3)] == [[0], [1, 2], []]


def test_a_batch_holds_no_more_bytes_than_allowed():
    full = lane(max_bytes=10)
    full.add([record(0, b"123456"), record(1, b"123456"), record(2, b"1234")], now=0)

    assert [offsets(full.cut(now=0)) for _ in range(3)] == [[0], [1, 2], []]


def test_a_record_larger_than_every_bound_goes_alone_and_whole():
    full = lane(max_rows=2, max_bytes=4)
    full.add([record(0, *[b"123456"] * 5), record(1, b"x")], now=0)

    assert [offsets(full.cut(now=0)) for _ in range(2)] == [[0], []]
    assert offsets(full.flush(now=0)) == [1]


def test_a_flush_takes_what_is_not_due_but_keeps_to_the_bounds():
    waiting = lane(max_rows=2)
    waiting.add([record(0), record(1), record(2)], now=0)

    assert [offsets(waiting.flush(now=0)) for _ in range(3)] == [[0, 1], [2], []]


def test_a_batch_knows_its_range_and_where_reading_goes_on():
    found = batch(record(5), record(6), record(9))

    assert found.range == Range(first=5, last=9)
    assert found.next_offset == 10


# --- promises


def test_a_promised_range_is_repeated_exactly():
    repeating = lane(promised=Range(first=3, last=5), max_rows=1, max_bytes=1)
    repeating.add([record(offset) for offset in range(3, 9)], now=0)

    assert offsets(repeating.cut(now=0)) == [3, 4, 5]
    assert offsets(repeating.cut(now=0)) == [6]  # from here on the limits count again


def test_a_promised_range_waits_until_it_is_whole():
    repeating = lane(promised=Range(first=3, last=5), max_rows=1)
    repeating.add([record(3), record(4)], now=0)

    assert repeating.due_in_s(now=1e6) is None
    assert repeating.cut(now=1e6) is None

    repeating.add([record(5)], now=1e6)
    assert offsets(repeating.cut(now=1e6)) == [3, 4, 5]


def test_half_a_promised_range_is_not_flushed():
    repeating = lane(promised=Range(first=3, last=5))
    repeating.add([record(3), record(4)], now=0)

    assert repeating.flush(now=0) is None
    assert repeating.size > 0


def test_a_whole_promised_range_is_due_before_any_limit_is_reached():
    repeating = lane(promised=Range(first=3, last=4), max_age_s=1000)
    repeating.add([record(3), record(4), record(5)], now=0)

    assert repeating.due_in_s(now=0) == 0.0
    assert offsets(repeating.cut(now=0)) == [3, 4]
    assert repeating.cut(now=0) is None


def test_a_promise_may_start_or_end_in_a_gap_of_the_offsets():
    repeating = lane(promised=Range(first=3, last=6))
    repeating.add([record(4), record(7), record(8)], now=0)

    assert offsets(repeating.cut(now=0)) == [4]


def test_a_promise_whose_records_are_gone_makes_no_empty_batch():
    repeating = lane(promised=Range(first=3, last=6), max_age_s=1.0)
    repeating.add([record(7), record(8)], now=0)

    assert offsets(repeating.cut(now=0)) == [7]
    assert offsets(repeating.cut(now=1)) == [8]


def test_a_promise_that_memory_cannot_hold_is_given_up():
    """An owner with smaller limits than the one before it would wait for ever."""
    repeating = lane(promised=Range(first=3, last=99), max_buffered_bytes=10, max_rows=2)
    repeating.add([record(3, b"12345"), record(4, b"12345")], now=0)
    assert repeating.crowded

    assert offsets(repeating.cut(now=0)) == [3, 4]
    assert repeating.promised is None


# --- how much waits


def test_a_lane_is_crowded_at_its_bound_and_roomy_below_half_of_it():
    waiting = lane(max_buffered_bytes=20, max_rows=1)

    def state() -> tuple[bool, bool]:
        return waiting.crowded, waiting.roomy

    assert state() == (False, True)
    waiting.add([record(0, b"1" * 10), record(1, b"1" * 9)], now=0)
    assert state() == (False, False)
    waiting.add([record(2, b"1")], now=0)
    assert state() == (True, False)
    waiting.cut(now=0)
    assert state() == (False, False)
    waiting.cut(now=0)
    assert state() == (False, True)


def test_the_size_of_a_lane_is_the_bytes_that_wait():
    waiting = lane(max_rows=2)
    waiting.add([record(0, b"123", b"4"), record(1, b"12")], now=0)
    assert waiting.size == 7

    waiting.cut(now=0)
    assert waiting.size == 2


# --- lines and tokens


@pytest.mark.parametrize(
    ("value", "lines"),
    [(b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"a\nb\n", 2), (b"", 1), (b"\n", 1), (b"\n\n", 2)],
)
def test_a_final_line_feed_ends_the_last_line(value, lines):
    assert count_lines(record(0, value)) == lines


@given(st.lists(st.sampled_from([b"a", b"\n", b"{}", b"\r"])).map(b"".join))
def test_lines_are_counted_as_they_are_split(value):
    assert count_lines(record(0, value)) == len(split_lines(value))


def test_one_batch_has_one_token():
    def token() -> str:
        found = batch(record(3, b"a"), record(4, b"b"))
        return found.token(found.content_hash())

    assert token() == token()
    assert token().startswith("views:0:3-4:")


@pytest.mark.parametrize(
    "other",
    [
        batch(record(3, b"a"), record(4, b"c")),
        batch(record(3, b"ab")),
        batch(record(3, b""), record(4, b"ab")),
        batch(record(3, b"ab"), record(4, b"")),
        batch(record(3, b"a"), record(5, b"b")),
        batch(record(3, b"a"), record(4, b"b"), record(5, b"")),
    ],
)
def test_other_bytes_or_offsets_give_another_hash(other):
    assert batch(record(3, b"a"), record(4, b"b")).content_hash() != other.content_hash()


def test_two_partitions_never_share_a_token():
    tokens = {batch(record(0, b"a", partition=partition)).token("hash") for partition in range(3)}

    assert len(tokens) == 3


# --- the law


@st.composite
def arrivals(draw: st.DrawFn) -> list[tuple[float, list[Record]]]:
    """Draw groups of records that arrive later and later, with gaps in their offsets."""
    offset = draw(st.integers(0, 3))
    found: list[tuple[float, list[Record]]] = []
    for wait in draw(st.lists(st.floats(0, 2), max_size=12)):
        group = []
        for size in draw(st.lists(st.integers(1, 5), max_size=6)):
            group.append(record(offset, *[b"x" * size] * size))
            offset += draw(st.integers(1, 3))
        found.append((wait, group))
    return found


@given(
    arrivals(),
    st.integers(1, 12),
    st.integers(1, 60),
    st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_every_record_comes_out_once_and_in_order_within_the_bounds(
    groups, max_rows, max_bytes, span
):
    bounds = limits(max_rows=max_rows, max_bytes=max_bytes, max_age_s=1.0)
    promised = Range(first=min(span), last=max(span)) if span else None
    waiting = Lane(topic=TOPIC, partition=0, limits=bounds, promised=promised)
    cut: list[Batch] = []
    now = 0.0

    def take(found: Batch | None) -> bool:
        if found is not None:
            cut.append(found)
        return found is not None

    for wait, group in groups:
        now += wait
        waiting.add(group, now=now)
        while take(waiting.cut(now=now)):
            pass
    added = [record for _, group in groups for record in group]
    if promised and added and added[-1].offset < promised.last:
        assert not cut  # the promise never became whole
        return
    while take(waiting.flush(now=now)):
        pass

    assert [record for found in cut for record in found.records] == added
    assert waiting.size == 0
    assert waiting.empty
    assert all(found.records for found in cut)
    ordinary = cut[1:] if promised else cut
    assert all(within(found, bounds) for found in ordinary)
    if promised and cut and added[0].offset <= promised.last:
        assert offsets(cut[0]) == [r.offset for r in added if r.offset <= promised.last]


def within(found: Batch, bounds: EtlSection) -> bool:
    lines = sum(map(count_lines, found.records))
    size = sum(len(record.value) for record in found.records)
    return len(found.records) == 1 or (lines <= bounds.max_rows and size <= bounds.max_bytes)
