"""The oracle by hand, for one film: every number that is defined in architecture/metrics.md."""

from fractions import Fraction

import pytest
from oracle.metrics import Bucket, film_metrics

from tests.unit.stress_testing.oracle_reports import (
    CHILD,
    DAY,
    HOUR_MS,
    MIDNIGHT_MS,
    NOON_MS,
    OTHER_SESSION,
    OTHER_USER,
    SESSION,
    report,
)


def test_a_film_without_a_report_has_no_numbers():
    found = film_metrics([], 10)

    assert (found.length_s, found.reach, found.plays, found.watch_time_s) == (0, 0, 0, 0)
    assert found.average_view_duration_s == found.completion_rate == Fraction(0)
    assert found.curve == []


def test_a_film_by_hand():
    found = film_metrics(
        [
            report(stretch=(0.0, 30.0), session_id=SESSION),
            report(stretch=(20.0, 40.0), session_id=SESSION),  # ten seconds again, in one play
            report(stretch=(30.0, 50.0), session_id=OTHER_SESSION),  # ten seconds rewatched
            report(stretch=(95.0, 100.0), user_id=OTHER_USER, session_id=SESSION),
            report(stretch=(60.0, 60.0), profile_id=CHILD),  # watched nothing
        ],
        50,
    )

    assert (found.length_s, found.reach, found.plays) == (100, 2, 3)
    assert (found.watch_time_s, found.unique_s, found.rewatched_s) == (65, 55, 10)
    assert found.average_view_duration_s == Fraction(65, 3)
    assert (found.completed, found.completion_rate) == (0, Fraction(0))
    assert found.curve == [
        Bucket(viewers=1, plays=2, starts=2, stops=2),
        Bucket(viewers=1, plays=1, starts=1, stops=1),
    ]


def test_a_paused_report_makes_no_play_of_its_own():
    assert film_metrics([report(stretch=(60.0, 60.0))], 10).plays == 0


def test_rewatching_within_a_play_counts_a_second_once():
    again = [report(stretch=(0.0, 30.0), session_id=SESSION) for _ in range(3)]

    assert film_metrics(again, 10).watch_time_s == 30


def test_rewatching_on_another_day_is_another_play_of_the_same_seconds():
    days = [report(stretch=(0.0, 30.0), viewed_at=NOON_MS + n * 24 * HOUR_MS) for n in range(3)]

    found = film_metrics(days, 10)

    assert (found.plays, found.watch_time_s, found.unique_s, found.rewatched_s) == (3, 90, 30, 60)


@pytest.mark.parametrize(
    ("watched_s", "total", "completed"),
    [
        (89, 100.0, 0),
        (90, 100.0, 1),  # exactly nine tenths
        (100, 100.0, 1),
        (90, 100.5, 0),  # the length is 101 whole seconds
        (91, 100.5, 1),
        (9, 11.0, 0),  # 9.9 seconds are needed
        (10, 11.0, 1),
        (1, 0.9, 1),
    ],
)
def test_a_viewer_completes_a_film_with_nine_tenths_of_its_seconds(watched_s, total, completed):
    end = min(float(watched_s), total)

    assert film_metrics([report(stretch=(0.0, end), total=total)], 10).completed == completed


def test_completion_adds_up_over_a_viewers_plays_and_not_over_viewers():
    halves = [
        report(stretch=(0.0, 50.0), session_id=SESSION),
        report(stretch=(50.0, 90.0), session_id=OTHER_SESSION),
    ]
    others = [halves[0], report(stretch=(50.0, 90.0), profile_id=CHILD)]

    assert film_metrics(halves, 10).completed == 1
    assert film_metrics(halves, 10).completion_rate == Fraction(1)
    assert film_metrics(others, 10).completed == 0


def test_the_length_is_the_longest_total_of_the_days_that_count():
    short = report(total=60.0)
    long = report(total=90.5, viewed_at=NOON_MS + 24 * HOUR_MS)

    assert film_metrics([short, long], 10).length_s == 91
    assert film_metrics([short, long], 10, until_day=DAY).length_s == 60
    assert film_metrics([report(total=0.2, progress=0.0)], 10).length_s == 1


def test_both_ends_of_a_range_of_days_count():
    per_day = [report(stretch=(0.0, 1.0), viewed_at=NOON_MS + n * 24 * HOUR_MS) for n in range(4)]

    assert film_metrics(per_day, 10, since_day=DAY + 1, until_day=DAY + 2).plays == 2
    assert film_metrics(per_day, 10, since_day=DAY + 3, until_day=DAY + 2).plays == 0


def test_a_session_across_midnight_counts_only_with_the_days_that_are_asked_for():
    both = [
        report(stretch=(0.0, 10.0), session_id=SESSION, viewed_at=MIDNIGHT_MS - 1),
        report(stretch=(10.0, 20.0), session_id=SESSION, viewed_at=MIDNIGHT_MS),
    ]

    assert film_metrics(both, 10).plays == 1
    assert film_metrics(both, 10, until_day=DAY).watch_time_s == 10


def test_the_edges_of_a_bucket_belong_to_the_bucket_that_they_begin():
    found = film_metrics([report(stretch=(10.0, 20.0), total=25.0)], 10)

    assert found.curve == [
        Bucket(viewers=0, plays=0, starts=0, stops=0),
        Bucket(viewers=1, plays=1, starts=1, stops=1),
        Bucket(viewers=0, plays=0, starts=0, stops=0),
    ]
    over = film_metrics([report(stretch=(9.0, 21.0), total=25.0)], 10)
    assert [bucket.viewers for bucket in over.curve] == [1, 1, 1]
    assert [bucket.starts for bucket in over.curve] == [1, 0, 0]
    assert [bucket.stops for bucket in over.curve] == [0, 0, 1]


def test_a_bucket_may_be_wider_than_the_film():
    assert film_metrics([report(stretch=(9.0, 21.0), total=25.0)], 600).curve == [
        Bucket(viewers=1, plays=1, starts=1, stops=1)
    ]


def test_a_viewer_with_two_plays_stands_in_a_bucket_once_and_both_plays_do():
    twice = [
        report(stretch=(0.0, 5.0), session_id=SESSION),
        report(stretch=(3.0, 8.0), session_id=OTHER_SESSION),
    ]

    assert film_metrics(twice, 10).curve[0] == Bucket(viewers=1, plays=2, starts=2, stops=2)
