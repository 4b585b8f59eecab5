"""The time of an event: where it comes from, how it is corrected, and its window."""

from uuid import UUID

import pytest

from tests.unit.ugc_core.accepted_reports import (
    DAY_MS,
    HOUR_MS,
    NOW_MS,
    VERSION_4,
    accepted,
    refused,
    v7,
)
from ugc_core.acceptance import Window


@pytest.mark.parametrize(
    ("viewed_at", "ms"),
    [
        (NOW_MS - 1500, NOW_MS - 1500),
        ("2025-12-31T23:59:58.5Z", NOW_MS - 1500),
        ("2025-12-31T23:59:58.500999Z", NOW_MS - 1500),
        ("2025-12-31t23:59:58.5z", NOW_MS - 1500),
        ("2026-01-01T02:59:58.500+03:00", NOW_MS - 1500),
        ("2025-12-31T18:29:58.5-05:30", NOW_MS - 1500),
    ],
)
def test_viewed_at_is_rfc_3339_or_epoch_milliseconds(make_report, viewed_at, ms):
    assert accepted(make_report(viewed_at=viewed_at)).viewed_at == ms


def test_a_time_without_a_zone_is_refused(make_report):
    assert refused(make_report(viewed_at="2025-12-31T23:59:58")) == (
        "viewed_at",
        "Expected `datetime` with a timezone component",
    )


@pytest.mark.parametrize("viewed_at", ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"])
def test_a_time_before_1970_is_refused(make_report, viewed_at):
    assert refused(make_report(viewed_at=viewed_at)) == ("viewed_at", "is before 1970")


@pytest.mark.parametrize("viewed_at", [-1, 9_000_000_000_001, 10**40])
def test_epoch_milliseconds_have_a_range(make_report, viewed_at):
    field, reason = refused(make_report(viewed_at=viewed_at))

    assert field == "viewed_at"
    assert reason.startswith("Expected `int` ")


def test_without_viewed_at_the_time_is_that_of_the_event_id(make_report):
    event = accepted(make_report(event_id=v7(NOW_MS - 7000)))

    assert event.viewed_at == NOW_MS - 7000
    assert event.event_id == UUID(v7(NOW_MS - 7000))


def test_viewed_at_wins_over_the_time_in_the_event_id(make_report):
    body = make_report(event_id=v7(NOW_MS - 7000), viewed_at=NOW_MS - 5)

    assert accepted(body).viewed_at == NOW_MS - 5


def test_an_event_id_that_has_no_time_needs_viewed_at(make_report):
    field, reason = refused(make_report(event_id=VERSION_4))

    assert field == "viewed_at"
    assert reason.startswith("is required when event_id is not a UUID version 7")
    assert accepted(make_report(event_id=VERSION_4, viewed_at=NOW_MS)).event_id == UUID(VERSION_4)


def test_viewed_at_without_an_event_id_is_kept():
    event = accepted({"progress": 1, "total": 2, "viewed_at": NOW_MS - 5})

    assert event.viewed_at == NOW_MS - 5
    assert event.event_id.version == 7


def test_the_measured_offset_corrects_the_clients_clock(make_report):
    event = accepted(make_report(viewed_at=NOW_MS - 90 * DAY_MS, clock_offset_ms=90 * DAY_MS - 5))

    assert event.viewed_at == NOW_MS - 90 * DAY_MS
    assert event.event_time_ms == NOW_MS - 5


@pytest.mark.parametrize("source", ["viewed_at", "event_id", "clock_offset_ms"])
@pytest.mark.parametrize(
    ("distance_ms", "reason"),
    [
        (24 * HOUR_MS, None),
        (24 * HOUR_MS + 1, "is more than 24 hours ahead of the server's clock"),
        (-30 * DAY_MS, None),
        (-30 * DAY_MS - 1, "is more than 30 days old; load history with `ugc replay file`"),
    ],
)
def test_an_events_time_lies_within_the_window(make_report, source, distance_ms, reason):
    body = {
        "viewed_at": lambda: make_report(viewed_at=NOW_MS + distance_ms),
        "event_id": lambda: make_report(event_id=v7(NOW_MS + distance_ms)),
        "clock_offset_ms": lambda: make_report(viewed_at=NOW_MS, clock_offset_ms=distance_ms),
    }[source]()

    if reason is None:
        assert accepted(body).event_time_ms == NOW_MS + distance_ms
    else:
        assert refused(body) == ("viewed_at", reason)


def test_the_window_is_a_setting(make_report):
    window = Window(max_age_days=1, max_ahead_hours=2)

    assert accepted(make_report(viewed_at=NOW_MS - DAY_MS), window=window)
    assert refused(make_report(viewed_at=NOW_MS - DAY_MS - 1), window=window) == (
        "viewed_at",
        "is more than 1 days old; load history with `ugc replay file`",
    )
    assert refused(make_report(viewed_at=NOW_MS + 2 * HOUR_MS + 1), window=window) == (
        "viewed_at",
        "is more than 2 hours ahead of the server's clock",
    )


@pytest.mark.parametrize("source", ["viewed_at", "event_id"])
def test_a_clock_that_no_line_can_hold_is_refused_though_its_offset_makes_up_for_it(
    make_report, source
):
    far_ms = 10_000_000_000_000  # in the year 2286
    body = make_report(clock_offset_ms=NOW_MS - far_ms)
    body |= {
        "viewed_at": {"viewed_at": "2286-11-20T17:46:40Z"},
        "event_id": {"event_id": v7(far_ms)},
    }[source]

    assert refused(body) == ("viewed_at", "lies too far in the future")


def test_a_repeated_report_has_the_same_time_and_identity(make_report):
    body = make_report(event_id=v7(NOW_MS - 5), clock_offset_ms=3)

    first, again = accepted(body), accepted(body)

    assert first == again
