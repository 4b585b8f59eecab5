"""Waits grow, are never immediate and never longer than the most."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ugc_core.backoff import Backoff

wait_s = st.floats(0.001, 100)


@settings(max_examples=200, deadline=None)
@given(first_s=wait_s, most_s=wait_s, attempt=st.integers(1, 10_000))
def test_a_wait_lies_between_half_its_ceiling_and_its_ceiling(first_s, most_s, attempt):
    ceiling = min(most_s, first_s * 2.0 ** min(attempt - 1, 100))

    wait = Backoff(first_s=first_s, most_s=most_s).wait_s(attempt)

    assert ceiling / 2 <= wait <= ceiling
