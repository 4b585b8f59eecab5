"""Whom to ask next: decisions on replicas that fail and come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_core.backoff import Backoff
from ugc_core.replica_health import ReplicaHealth, quorum
from ugc_core.urls import Node

A, B, C = (Node(host, 9000) for host in "abc")


def health() -> ReplicaHealth:
    return ReplicaHealth(Backoff(first_s=1.0, most_s=8.0))


def test_the_living_are_asked_in_turn_and_the_dead_last():
    some = health()
    some.failed(A, now=0.0)

    assert some.order([A, B, C]) == [B, C, A]
    assert some.order([A, B, C], turn=2) == [C, B, A]
    assert some.order([A, B, C], turn=4) == [B, C, A]
    assert some.living([A, B, C]) == 2


def test_when_all_are_dead_the_one_that_has_rested_longest_is_asked_first():
    some = health()
    for at, node in enumerate([B, C, A]):
        some.failed(node, now=100.0 * at)

    assert some.order([A, B, C]) == [B, C, A]
    assert some.living([A, B, C]) == 0


def test_a_dead_one_is_due_once_it_has_cooled_down_and_lives_once_it_answers():
    some = health()
    some.failed(A, now=10.0)

    assert some.due([A, B], now=10.4) == []
    assert some.due([A, B], now=11.0) == [A]
    assert some.living([A]) == 0

    some.answered(A)

    assert some.due([A, B], now=11.0) == []
    assert some.living([A]) == 1


@given(st.integers(1, 50))
def test_the_cool_down_grows_to_its_cap_and_is_jittered(failures):
    some = health()
    for _ in range(failures):
        some.failed(A, now=0.0)

    longest = min(8.0, 2.0 ** (failures - 1))
    assert some.due([A], now=longest / 2 - 0.01) == []
    assert some.due([A], now=longest) == [A]


def test_nobody_is_nobody():
    assert health().order([], turn=3) == []


@pytest.mark.parametrize(
    ("replicas", "living", "wanted", "expected"),
    [
        (1, 1, 0, 1),
        (2, 2, 0, 2),
        (2, 1, 0, 1),
        (2, 0, 0, 1),
        (3, 3, 0, 2),
        (3, 2, 0, 2),
        (3, 1, 0, 1),
        (2, 1, 2, 2),
        (2, 2, 1, 1),
    ],
)
def test_a_majority_of_the_replicas_holds_an_insert_or_those_that_are_left(
    replicas, living, wanted, expected
):
    assert quorum(replicas, living, wanted=wanted) == expected
