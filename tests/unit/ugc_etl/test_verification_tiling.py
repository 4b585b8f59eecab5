"""Whether ranges tile: every gap and every overlap is found, and nothing else."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ugc_etl.ports import Range
from ugc_etl.verification.tiling import Extent, Hole, Overlap, Tiling

MOST = 60


def extent(*, low: int = 0, committed: int) -> Extent:
    return Extent(low=low, committed=committed, high=committed)


def span(first: int, last: int) -> Range:
    return Range(first=first, last=last)


def problems(spans: Sequence[Range], within: Extent) -> list[Hole | Overlap]:
    tiling = Tiling(within)
    found = [problem for each in spans for problem in tiling.take(each)]
    return [*found, *tiling.close()]


def test_ranges_that_follow_each_other_tile():
    assert problems([span(0, 3), span(4, 4), span(5, 9)], extent(committed=10)) == []


def test_an_empty_partition_tiles():
    assert problems([], extent(low=7, committed=7)) == []


def test_what_retention_has_removed_may_begin_anywhere():
    assert problems([span(3, 9)], extent(low=5, committed=10)) == []


def test_a_batch_that_is_not_committed_yet_is_no_fault():
    assert problems([span(0, 9), span(10, 19)], extent(committed=10)) == []


def test_records_without_any_range_are_a_gap():
    assert problems([], extent(low=2, committed=5)) == [Hole(2, 5)]


def test_gaps_are_found_before_between_and_after():
    found = problems([span(2, 3), span(6, 7)], extent(committed=9))

    assert found == [Hole(0, 2), Hole(4, 6), Hole(8, 9)]


def test_a_range_within_another_is_an_overlap_and_hides_no_gap():
    found = problems([span(0, 9), span(2, 3), span(12, 12)], extent(committed=13))

    assert found == [Overlap(span(0, 9), span(2, 3)), Hole(10, 12)]


@st.composite
def ranges(draw: st.DrawFn) -> list[Range]:
    """Return any ranges in order, most of them next to each other."""
    found: list[Range] = []
    at = draw(st.integers(0, 5))
    while at < MOST:
        length = draw(st.integers(1, 8))
        found.append(span(at, at + length - 1))
        at += length + draw(st.sampled_from([0, 0, 0, 0, 1, 3, -length, -1]))
        at = max(at, found[-1].first)
        if len(found) > MOST:
            break
    return sorted(set(found))


@given(spans=ranges(), low=st.integers(0, 10), committed=st.integers(10, MOST))
def test_the_holes_are_what_no_range_covers(spans: list[Range], low: int, committed: int):
    found = problems(spans, extent(low=low, committed=committed))

    holes = [offset for hole in found if isinstance(hole, Hole) for offset in range(*hole)]
    covered = {offset for each in spans for offset in range(each.first, each.last + 1)}
    first = min([low, *(each.first for each in spans)])
    assert holes == [offset for offset in range(first, committed) if offset not in covered]


@given(spans=ranges())
def test_an_overlap_is_reported_once_for_every_range_that_repeats_an_offset(spans: list[Range]):
    found = problems(spans, extent(committed=MOST))

    seen: set[int] = set()
    repeating = []
    for each in spans:
        offsets = set(range(each.first, each.last + 1))
        if offsets & seen:
            repeating.append(each)
        seen |= offsets
    assert [problem.other for problem in found if isinstance(problem, Overlap)] == repeating
