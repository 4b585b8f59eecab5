"""Requests fall due at a fixed rate, and wait in a queue that gives up the oldest."""

import pytest
from harness.arrivals import Arrivals
from hypothesis import given
from hypothesis import strategies as st

BEGAN_S = 50.0


def arrivals(
    *, rate: float = 100, seconds: float = 1, patience_s: float = float("inf")
) -> Arrivals:
    return Arrivals(rate=rate, seconds=seconds, patience_s=patience_s, began_s=BEGAN_S)


def taken_by(queue: Arrivals, now_s: float) -> list[float]:
    return [*iter(lambda: queue.take(now_s), None)]


def test_nothing_is_sent_before_it_is_due():
    queue = arrivals(rate=10)

    assert taken_by(queue, BEGAN_S - 0.01) == []
    assert taken_by(queue, BEGAN_S + 0.25) == pytest.approx([50.0, 50.1, 50.2])


def test_a_sender_that_was_held_up_finds_every_request_with_the_time_it_was_due():
    queue = arrivals(rate=10)

    assert taken_by(queue, BEGAN_S + 60) == pytest.approx([50 + n / 10 for n in range(10)])
    assert queue.finished


def test_a_request_that_has_waited_for_too_long_is_given_up():
    queue = arrivals(rate=10, patience_s=0.2)

    assert taken_by(queue, BEGAN_S + 0.55) == pytest.approx([50.4, 50.5])
    assert queue.given_up == 4


@given(
    rate=st.floats(1, 10_000),
    patience_s=st.floats(0.01, 2),
    looks=st.lists(st.floats(0, 5), min_size=1, max_size=20).map(sorted),
    most=st.integers(1, 20),
)
def test_every_request_is_taken_in_time_or_given_up_or_waiting(rate, patience_s, looks, most):
    queue = arrivals(rate=rate, seconds=2, patience_s=patience_s)
    sent = []
    for look in looks:
        now_s = BEGAN_S + look
        for _ in range(most):
            if (due_s := queue.take(now_s)) is not None:
                sent.append(due_s)
                assert due_s <= now_s <= due_s + patience_s + 1 / rate + 1e-6

    assert len(sent) + queue.given_up == queue.taken <= queue.total
    assert sent == sorted(set(sent))
