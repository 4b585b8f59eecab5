"""The oracle by hand, report by report: its viewer, seconds and play, and the copy that counts."""

import zlib
from itertools import pairwise
from uuid import UUID

import pytest
from oracle.metrics import Tie, Viewer, kept, play_of, rounded_s, seconds_of, viewer_of

from tests.unit.stress_testing.oracle_reports import (
    CHILD,
    HOUR_MS,
    MIDNIGHT_MS,
    NOON_MS,
    OTHER_FILM,
    OTHER_USER,
    SESSION,
    USER,
    report,
)
from ugc_core.codec import encode_event

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
