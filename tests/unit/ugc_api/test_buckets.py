"""Token buckets: what goes through, what has to wait, and what is remembered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_api.limiting.buckets import Buckets

COSTS = st.floats(min_value=0.1, max_value=20)
STEPS = st.lists(st.tuples(st.floats(min_value=0, max_value=5), COSTS), max_size=60)


@given(
    rate=st.floats(min_value=0.1, max_value=100),
    burst=st.floats(min_value=1, max_value=50),
    steps=STEPS,
)
def test_in_any_window_no_more_goes_through_than_burst_and_what_flows_in(rate, burst, steps):
    buckets = Buckets(rate=rate, burst=burst)
    now, taken = 1000.0, []
    for pause, cost in steps:
        now += pause
        if not buckets.take("key", cost, now):
            taken.append((now, min(cost, burst)))

    for first, (start, _) in enumerate(taken):
        total = 0.0
        for at, cost in taken[first:]:
            total += cost
            assert total <= burst + rate * (at - start + 2e-6) + 1e-6


@given(
    rate=st.floats(min_value=0.1, max_value=100),
    burst=st.floats(min_value=1, max_value=50),
    steps=STEPS,
)
def test_after_the_wait_that_it_names_the_same_goes_through(rate, burst, steps):
    buckets = Buckets(rate=rate, burst=burst)
    now = 1000.0
    for pause, cost in steps:
        now += pause
        if wait := buckets.take("key", cost, now):
            now += wait
            assert not buckets.take("key", cost, now)


def test_a_refusal_takes_nothing():
    buckets = Buckets(rate=1, burst=2)
    buckets.take("key", 2, 0)

    waits = [buckets.take("key", 2, 1) for _ in range(5)]

    assert waits == [1.0] * 5
    assert buckets.left("key", 1) == 1


def test_what_costs_more_than_a_bucket_takes_a_full_one():
    buckets = Buckets(rate=1, burst=10)

    assert buckets.take("key", 500, 100) == 0
    assert buckets.take("key", 1, 100) == 1
    assert buckets.take("key", 500, 109) == 1
    assert buckets.take("key", 500, 110) == 0


def test_keys_have_buckets_of_their_own():
    buckets = Buckets(rate=1, burst=1)

    assert [buckets.take(key, 1, 0) for key in ("a", "b", "a")] == [0, 0, 1]


def test_no_rate_is_no_limit_and_remembers_nobody():
    buckets = Buckets(rate=0, burst=1)

    assert not any(buckets.take("key", 1000, 0) for _ in range(100))
    assert len(buckets) == 0


def test_under_a_flood_of_keys_the_number_of_buckets_is_bounded():
    buckets = Buckets(rate=1, burst=10, most_keys=100)

    for number in range(10_000):
        buckets.take(number, 1, 0)
        assert len(buckets) <= 100


def test_a_flood_of_keys_does_not_clear_the_debt_of_who_owes_most():
    buckets = Buckets(rate=1, burst=10, most_keys=100)
    buckets.take("greedy", 10, 0)

    for number in range(10_000):
        buckets.take(number, 1, 0)

    assert buckets.take("greedy", 1, 0) == 1


@pytest.mark.parametrize("later", [10, 10.5])
def test_full_buckets_are_forgotten_first(later):
    buckets = Buckets(rate=1, burst=10, most_keys=100)
    for number in range(100):
        buckets.take(number, 10, 0)

    buckets.take("new", 1, later)

    assert len(buckets) == 1
