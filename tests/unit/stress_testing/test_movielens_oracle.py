"""The comparison of the MovieLens run can fail, and says what differs."""

from dataclasses import replace
from uuid import UUID

import pytest
from datasets.movielens import differences, expected
from datasets.ratings import DAYS
from datasets.viewing_starts import Start, viewing_starts

FILM, OTHER_FILM = UUID(int=1), UUID(int=2)
UNTIL_MS = 1_790_000_000_000
DAY_MS = 86_400_000


def start(number: int, *, user: int = 1, film: UUID = FILM, at_ms: int = 1000) -> Start:
    return Start(
        event_id=UUID(int=number),
        user_id=UUID(int=user),
        film_id=film,
        progress_s=number,
        total_s=5400,
        viewed_ms=at_ms,
    )


def test_equal_numbers_have_no_difference():
    starts = [start(1), start(2, user=2), start(3, film=OTHER_FILM)]

    assert differences(expected(starts), expected(starts)) == []


def test_a_viewer_counts_once_per_film_however_often_it_was_started():
    numbers = expected([start(1), start(2), start(3, user=2), start(4, film=OTHER_FILM)])

    assert numbers.viewers == {FILM: 2, OTHER_FILM: 1}


@pytest.mark.parametrize("order", [[1, 2], [2, 1]])
def test_the_later_start_is_the_resume_point_whatever_the_order(order: list[int]):
    numbers = expected([start(n, at_ms=n * 1000) for n in order])

    assert numbers.resume == {(UUID(int=1), FILM): (2000, 5_400_000, 2000)}


def test_of_two_starts_at_one_time_the_higher_event_id_counts():
    numbers = expected([start(9), start(5)])

    assert numbers.resume[UUID(int=1), FILM] == (9000, 5_400_000, 1000)


def test_a_lost_report_is_named():
    want = expected([start(1), start(2, user=2)])
    have = expected([start(1)])

    found = differences(want, have)

    assert f"lost {UUID(int=2)}" in found
    assert any(line.startswith(f"viewers of film {FILM}: expected 2, stored 1") for line in found)


def test_a_phantom_is_named():
    assert f"phantom {UUID(int=2)}" in differences(
        expected([start(1)]), expected([start(1), start(2)])
    )


def test_a_shifted_time_is_named():
    want, have = expected([start(1)]), expected([start(1, at_ms=1001)])

    (found,) = differences(want, have)

    assert found.startswith("resume point of")


def test_a_changed_viewer_count_is_named():
    want = expected([start(1)])

    assert differences(want, replace(want, viewers={FILM: 2})) == [
        f"viewers of film {FILM}: expected 1, stored 2"
    ]


def test_the_real_table_becomes_starts_within_the_last_25_days():
    starts = viewing_starts(until_ms=UNTIL_MS)

    assert len({one.event_id for one in starts}) == len(starts) == 100_004
    assert len({one.user_id for one in starts}) == 671
    assert len({one.film_id for one in starts}) == 9_066
    assert max(one.viewed_ms for one in starts) == UNTIL_MS
    assert min(one.viewed_ms for one in starts) == UNTIL_MS - DAYS * DAY_MS
    assert all(0 < one.progress_s < one.total_s for one in starts)
