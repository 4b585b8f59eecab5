"""The oracle itself, by hand: every definition of architecture/metrics.md, with its edges."""

import zlib
from fractions import Fraction
from itertools import count, pairwise
from uuid import UUID

import pytest
from oracle.metrics import (
    Bucket,
    Point,
    Tie,
    Viewer,
    advances,
    continue_watching,
    film_metrics,
    finished,
    kept,
    live_viewers,
    play_of,
    resume_points,
    rounded_s,
    seconds_of,
    viewer_of,
)

from ugc_core.codec import encode_event
from ugc_core.events import Event

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z
HOUR_MS = 3_600_000
MIDNIGHT_MS = NOON_MS + 12 * HOUR_MS
DAY = NOON_MS // (24 * HOUR_MS)
FILM, OTHER_FILM = UUID(int=7), UUID(int=8)
SESSION, OTHER_SESSION = UUID(int=31), UUID(int=32)
USER, OTHER_USER, CHILD = UUID(int=1), UUID(int=2), UUID(int=3)

_ids = count(1)


def report(**changes: object) -> Event:
    """Return a report; `stretch=(from, to)` and `point` are in seconds of film."""
    fields: dict[str, object] = {
        "event_id": UUID(int=next(_ids)),
        "film_id": FILM,
        "user_id": USER,
        "progress": 10.0,
        "total": 100.0,
        "viewed_at": NOON_MS,
        "received_at": NOON_MS,
    }
    if "stretch" in changes:
        fields["watched_from"], fields["progress"] = changes.pop("stretch")  # type: ignore[misc]
    return Event(**(fields | changes))  # type: ignore[arg-type]


# --- viewers, seconds, plays


def test_a_viewer_is_the_user_and_the_profile_and_without_a_profile_the_user_twice():
    assert viewer_of(report()) == Viewer(USER, USER) == viewer_of(report(profile_id=USER))
    assert viewer_of(report(profile_id=CHILD)) == Viewer(USER, CHILD)


@pytest.mark.parametrize(("ms", "s"), [(0, 0), (499, 0), (500, 1), (1499, 1), (1500, 2)])
def test_seconds_are_rounded_halves_up(ms, s):
    assert rounded_s(ms) == s


@pytest.mark.parametrize(
    ("stretch", "watched"),
    [
        ((0.0, 3.0), [0, 1, 2]),
        ((0.499, 3.499), [0, 1, 2]),
        ((0.5, 3.5), [1, 2, 3]),
        ((2.5, 2.5), []),
        ((2.0, 2.499), []),
        ((1.5, 2.5), [2]),
        ((98.0, 100.0), [98, 99]),
        ((100.0, 100.0), []),
    ],
)
def test_a_stretch_covers_the_seconds_between_its_rounded_ends(stretch, watched):
    assert sorted(seconds_of(report(stretch=stretch))) == watched


def test_neighbouring_stretches_tile():
    cuts = [0.0, 0.5, 1.0, 1.499, 1.5, 7.25, 7.75, 100.0]
    parts = [seconds_of(report(stretch=ends)) for ends in pairwise(cuts)]

    assert sorted(second for part in parts for second in part) == list(range(100))


@pytest.mark.parametrize(
    ("progress", "total", "second"),
    [
        (0.0, 100.0, 0),
        (2.999, 100.0, 2),  # rounded down: the second in which the playhead stands
        (99.999, 100.0, 99),
        (100.0, 100.0, 99),
        (0.3, 0.3, 0),
        (1.49, 1.49, 0),  # the film's length is one second: nothing lies past it
        (1.5, 1.5, 1),
    ],
)
def test_a_point_report_marks_the_one_second_of_its_playhead(progress, total, second):
    assert seconds_of(report(progress=progress, total=total)) == {second}


def test_nothing_lies_past_the_last_second_of_a_film():
    assert seconds_of(report(stretch=(8.0, 10.4), total=10.4)) == {8, 9}
    assert seconds_of(report(stretch=(8.0, 10.5), total=10.5)) == {8, 9, 10}
    assert seconds_of(report(stretch=(0.0, 0.4), total=0.4)) == set()


def test_a_session_across_midnight_is_one_play():
    before = report(session_id=SESSION, viewed_at=MIDNIGHT_MS - 1)
    after = report(session_id=SESSION, viewed_at=MIDNIGHT_MS)

    assert play_of(before) == play_of(after)


def test_without_a_session_a_play_is_a_viewers_utc_day():
    morning, evening = report(viewed_at=NOON_MS - HOUR_MS), report(viewed_at=MIDNIGHT_MS - 1)

    assert play_of(morning) == play_of(evening)
    assert play_of(evening) != play_of(report(viewed_at=MIDNIGHT_MS))
    assert play_of(evening) != play_of(report(viewed_at=NOON_MS, profile_id=CHILD))


def test_the_day_is_that_of_the_servers_clock():
    fast_clock = report(viewed_at=MIDNIGHT_MS + HOUR_MS, clock_offset_ms=-2 * HOUR_MS)

    assert play_of(fast_clock) == play_of(report())


def test_two_viewers_may_share_a_session_id_and_not_a_play():
    one, other = report(session_id=SESSION), report(session_id=SESSION, user_id=OTHER_USER)

    assert play_of(one) != play_of(other)


# --- one film


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


# --- one viewer


def point_of(reports: list[Event]) -> Point:
    """Return the only resume point there is."""
    [point] = resume_points(reports).values()
    return point


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({"stretch": (5.0, 10.0)}, True),
        ({"stretch": (5.0, 10.0), "kind": "pause"}, True),
        ({"stretch": (10.0, 10.0)}, False),
        ({"stretch": (10.0, 10.0), "kind": "heartbeat"}, False),
        ({}, True),
        ({"kind": "pause"}, False),
        ({"kind": "start"}, False),
    ],
)
def test_a_report_advances_if_it_played_a_stretch_or_says_neither_stretch_nor_kind(changes, moved):
    assert advances(report(**changes)) is moved


def test_the_latest_advancing_report_is_the_resume_point():
    points = resume_points(
        [
            report(stretch=(20.0, 30.0), viewed_at=NOON_MS + 1),
            report(stretch=(50.0, 60.0)),
            report(stretch=(0.0, 9.0), film_id=OTHER_FILM),
            report(stretch=(0.0, 8.0), profile_id=CHILD),
        ]
    )

    assert points == {
        (Viewer(USER, USER), FILM): Point(30_000, 100_000, NOON_MS + 1),
        (Viewer(USER, USER), OTHER_FILM): Point(9_000, 100_000, NOON_MS),
        (Viewer(USER, CHILD), FILM): Point(8_000, 100_000, NOON_MS),
    }


def test_a_paused_television_cannot_overwrite_the_phone():
    phone = report(stretch=(50.0, 60.0), device="phone")
    television = report(progress=10.0, kind="pause", device="tv", viewed_at=NOON_MS + HOUR_MS)

    [point] = resume_points([phone, television]).values()

    assert point == Point(60_000, 100_000, NOON_MS)


def test_ties_in_time_are_decided_by_seq_and_an_absent_seq_is_nought():
    zero = report(progress=1.0, seq=0, event_id=UUID(int=1))
    absent = report(progress=2.0, event_id=UUID(int=2))
    first = report(progress=3.0, seq=1, event_id=UUID(int=0xA))

    assert resume_points([absent, zero]) == resume_points([zero, absent])
    assert point_of([zero, absent]).progress_ms == 2000
    assert point_of([first, absent, zero]).progress_ms == 3000


def test_ties_in_seq_are_decided_by_the_id_from_its_first_byte_on():
    low = report(progress=1.0, event_id=UUID("00000000-0000-0000-0000-0000000000ff"))
    high = report(progress=2.0, event_id=UUID("01000000-0000-0000-0000-000000000000"))

    assert point_of([high, low]).progress_ms == 2000


def test_the_time_of_a_report_is_that_of_the_servers_clock():
    slow = report(progress=1.0, viewed_at=NOON_MS - HOUR_MS, clock_offset_ms=HOUR_MS + 1)

    assert point_of([slow, report(progress=2.0)]).at_ms == NOON_MS + 1


@pytest.mark.parametrize(
    ("progress_ms", "over"), [(94_999, False), (95_000, True), (100_000, True)]
)
def test_a_film_is_finished_from_its_last_twentieth_on(progress_ms, over):
    assert finished(Point(progress_ms, 100_000, NOON_MS)) is over


def test_the_twentieth_is_exact_where_it_is_no_whole_number():
    assert not finished(Point(9, 10, NOON_MS))
    assert finished(Point(10, 10, NOON_MS))


def test_continue_watching_lists_the_latest_first_and_of_one_time_the_higher_film_id():
    films = [UUID(int=n << 96 | 9 - n) for n in range(1, 5)]
    reports = [
        report(film_id=films[0], viewed_at=NOON_MS + 5),
        report(film_id=films[2]),
        report(film_id=films[1]),
        report(film_id=films[3], progress=95.0, viewed_at=NOON_MS + 9),
        report(film_id=OTHER_FILM, user_id=OTHER_USER),
    ]
    viewer = Viewer(USER, USER)

    assert [film for film, _ in continue_watching(reports, viewer)] == [
        films[0],
        films[2],
        films[1],
    ]
    with_finished = continue_watching(reports, viewer, include_finished=True)
    assert [film for film, _ in with_finished] == [films[3], films[0], films[2], films[1]]


# --- live viewers


@pytest.mark.parametrize(
    ("at_ms", "live"),
    [
        (NOON_MS - 60_000, 0),  # the window's beginning is left out …
        (NOON_MS - 59_999, 1),
        (NOON_MS, 1),  # … and its end belongs to it
        (NOON_MS + 1, 0),
    ],
)
def test_the_live_window_is_open_below_and_closed_above(at_ms, live):
    assert live_viewers([report(viewed_at=at_ms)], NOON_MS) == live


def test_a_live_viewer_counts_once_whatever_was_reported():
    reports = [report(), report(kind="pause"), report(profile_id=CHILD), report(profile_id=USER)]

    assert live_viewers(reports, NOON_MS) == 2


# --- copies


def test_of_copies_the_first_accepted_is_kept():
    first = report(received_at=NOON_MS, progress=1.0)
    later = report(event_id=first.event_id, received_at=NOON_MS + 1, progress=2.0)
    copies = [(each, encode_event(each)) for each in (first, later)]

    assert kept(copies, Tie()) == kept(copies[::-1], Tie()) == [first]


def test_of_copies_of_one_millisecond_the_line_with_the_higher_checksum_is_kept():
    copies = [report(event_id=UUID(int=1), progress=float(n)) for n in range(5)]
    lines = [(each, encode_event(each)) for each in copies]
    winner = max(lines, key=lambda pair: zlib.crc32(pair[1]) & 0xFFFFF)[0]

    assert kept(lines, Tie()) == kept(lines[::-1], Tie()) == [winner]


def test_one_id_of_two_viewers_or_films_is_two_reports():
    same = UUID(int=1)
    reports = [
        report(event_id=same),
        report(event_id=same, film_id=OTHER_FILM),
        report(event_id=same, user_id=OTHER_USER),
        report(event_id=same, profile_id=CHILD),
        report(event_id=same, profile_id=USER),  # the user's own profile: a copy of the first
    ]

    assert len(kept(((each, encode_event(each)) for each in reports), Tie())) == 4


@pytest.mark.parametrize("line", [b"", b"123456789", b'{"a":"\xc3\xa9"}'])
def test_the_tie_is_the_low_bits_of_the_crc_32_that_everyone_knows(line):
    assert Tie()(line) == zlib.crc32(line) & 0xFFFFF
