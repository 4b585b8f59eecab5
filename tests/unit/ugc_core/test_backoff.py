"""Waits between tries; their bounds for any numbers are in tests/properties."""

import pytest

from ugc_core.backoff import Backoff


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 0.1), (2, 0.2), (3, 0.4), (7, 6.4), (8, 10), (9, 10), (10**9, 10)]
)
def test_waits_double_up_to_the_longest(attempt, ceiling):
    backoff = Backoff(first_s=0.1, most_s=10)

    waits = [backoff.wait_s(attempt) for _ in range(200)]

    assert ceiling / 2 <= min(waits) <= max(waits) <= ceiling


def test_two_programs_do_not_retry_in_step():
    backoff = Backoff(first_s=1, most_s=10)

    assert len({backoff.wait_s(3) for _ in range(50)}) > 1
