"""Percentiles are values that were measured, by nearest rank."""

from harness.percentiles import percentile, spread
from hypothesis import given
from hypothesis import strategies as st

some_values = st.lists(st.floats(0, 100), min_size=1).map(sorted)


@given(some_values, st.sampled_from([0.5, 0.95, 0.99, 0.999, 1.0]))
def test_a_percentile_is_the_smallest_value_that_so_large_a_share_does_not_exceed(ordered, share):
    found = percentile(ordered, share)

    within = sum(value <= found for value in ordered)
    below = sum(value < found for value in ordered)
    assert found in ordered
    assert within >= share * len(ordered) > below


def test_a_hundred_durations_have_these_percentiles():
    found = spread([number / 1000 for number in range(100, 0, -1)])

    assert (found.count, found.p50_ms, found.p99_ms, found.max_ms) == (100, 50, 99, 100)
