"""Which requests are traced, whatever their `traceparent` wishes."""

from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ugc_core.allowance import Allowance
from ugc_core.clock import ManualClock
from ugc_core.sampling import Parent, Sampling, parse_parent

PARENTS = st.builds(
    Parent,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    sampled=st.booleans(),
)
WISH = Parent(trace_id=1, span_id=2, sampled=True)
GOOD = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@given(PARENTS)
def test_a_context_that_is_written_is_read_back(parent):
    assert parse_parent(bytes(parent)) == parent


@given(st.binary(max_size=80))
def test_whatever_the_header_holds_it_is_read_or_left_alone(value):
    found = parse_parent(value)

    assert found is None or parse_parent(bytes(found)) == found


@pytest.mark.parametrize(
    "value",
    [
        b"",
        GOOD.upper(),
        GOOD[:-1],
        GOOD + b"-more",  # version 00 has four fields
        GOOD.replace(b"00-", b"ff-", 1),
        GOOD.replace(b"0af7651916cd43dd8448eb211c80319c", b"0" * 32),
        GOOD.replace(b"b7ad6b7169203331", b"0" * 16),
        GOOD + b"\n",
        b"cc-" + GOOD[3:] + b"-" + b"x" * 300,
    ],
)
def test_a_context_that_is_none_is_left_alone(value):
    assert parse_parent(value) is None


def test_a_later_version_is_read_as_far_as_it_is_known():
    found = parse_parent(b"cc-" + GOOD[3:] + b"-more")

    assert found == parse_parent(GOOD)


def share(sampling: Sampling, parent: Parent | None, of: int) -> int:
    return sum(sampling.takes(parent) for _ in range(of))


def rolls(clock: ManualClock, ratio: float, per_s: float) -> Sampling:
    """Draw 0.00, 0.01 … 0.99, and again."""
    drawn = cycle([number / 100 for number in range(100)])
    return Sampling(ratio, Allowance(per_s, clock), random=lambda: next(drawn))


def test_a_share_of_all_requests_is_traced(clock):
    assert share(rolls(clock, 0.05, 10), None, of=1000) == 50


def test_a_caller_who_does_not_trace_decides_for_us(clock):
    unwished = Parent(trace_id=1, span_id=2, sampled=False)

    assert share(rolls(clock, 1.0, 10), unwished, of=1000) == 0


async def test_wishes_are_granted_up_to_a_rate_and_share_alike_beyond(clock):
    sampling = rolls(clock, 0.0, 10)

    assert share(sampling, WISH, of=1000) == 10
    await clock.sleep(1)
    assert share(sampling, WISH, of=1000) == 10
    assert share(rolls(clock, 0.05, 0), WISH, of=1000) == 50


@settings(deadline=None)
@given(per_s=st.floats(0.1, 50), waits=st.lists(st.floats(0, 3), max_size=60))
def test_in_no_stretch_of_time_more_is_taken_than_the_rate_allows(per_s, waits):
    clock, taken = ManualClock(), []
    allowance = Allowance(per_s, clock)
    for wait in waits:
        clock._now += wait
        taken += [clock.now() for _ in range(5) if allowance.take()]

    most = max(per_s, 1.0)
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= most + per_s * (taken[last] - start) + 1e-6
