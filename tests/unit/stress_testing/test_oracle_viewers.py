"""The oracle by hand, for viewers: where they resume, what they continue, who is live."""

from uuid import UUID

import pytest
from oracle.metrics import (
    Point,
    Viewer,
    advances,
    continue_watching,
    finished,
    live_viewers,
    resume_points,
)

from tests.unit.stress_testing.oracle_reports import (
    CHILD,
    FILM,
    HOUR_MS,
    NOON_MS,
    OTHER_FILM,
    OTHER_USER,
    USER,
    report,
)
from ugc_core.events import Event

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
