"""The bounds of progress, total and watched_from, and what is said beyond them."""

import pytest

from tests.unit.ugc_core.accepted_reports import accepted, refused
from ugc_core.codec import decode_line, encode_event


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("progress", -0.001, "Expected `float` >= 0.0"),
        ("progress", 172_800.001, "Expected `float` <= 172800.0"),
        ("total", 0, "Expected `float` > 0.0"),
        ("total", -1, "Expected `float` > 0.0"),
        ("total", 172_800.001, "Expected `float` <= 172800.0"),
        ("watched_from", -1, "Expected `float` >= 0.0"),
        ("watched_from", 172_801, "Expected `float` <= 172800.0"),
    ],
)
def test_seconds_of_film_lie_between_nothing_and_two_days(make_report, field, value, reason):
    assert refused(make_report(**{field: value})) == (field, reason)


@pytest.mark.parametrize("digits", ["1e400", "9" * 400, "-1e400"])
def test_a_number_beyond_every_float_is_refused(digits):
    body = b'{"progress": %s, "total": 2}' % digits.encode()

    assert refused(body) == ("progress", "Number out of range")


def test_seconds_become_milliseconds_halves_up(make_report):
    event = accepted(make_report(progress=1.0005, total=2.0004, watched_from=0.9994))

    assert (event.progress_ms, event.total_ms, event.watched_from_ms) == (1001, 2000, 999)


def test_a_total_below_half_a_millisecond_is_refused(make_report):
    assert refused(make_report(progress=0, total=0.0004)) == (
        "total",
        "must be at least one millisecond",
    )


@pytest.mark.parametrize("progress", [0, 5400])
def test_the_playhead_may_be_at_either_end(make_report, progress):
    assert accepted(make_report(progress=progress, total=5400)).progress == progress


@pytest.mark.parametrize("progress", [5400.001, 5410])
def test_a_small_overshoot_is_clamped_to_the_end(make_report, progress):
    event = accepted(make_report(progress=progress, total=5400, watched_from=5390))

    assert (event.progress, event.watched_from) == (5400, 5390)


def test_a_stretch_that_lies_past_the_end_is_clamped_with_it(make_report):
    event = accepted(make_report(progress=5409, total=5400, watched_from=5405))

    assert (event.progress, event.watched_from) == (5400, 5400)


def test_a_larger_overshoot_is_refused(make_report):
    assert refused(make_report(progress=5410.001, total=5400)) == (
        "progress",
        "is more than 10 seconds past total (5400)",
    )


def test_a_stretch_starts_before_it_ends(make_report):
    assert refused(make_report(progress=120, watched_from=120.001)) == (
        "watched_from",
        "must not be greater than progress",
    )
    assert accepted(make_report(progress=120, watched_from=120)).watched_from == 120


def test_a_stretch_of_ten_minutes_is_the_longest(make_report):
    # In floats this one is 600.0000000000001 seconds long.
    event = accepted(make_report(progress=1024.169, watched_from=424.169))
    assert decode_line(encode_event(event)) == event

    assert refused(make_report(progress=700.3, watched_from=100.299)) == (
        "watched_from",
        "starts a stretch of more than 600 seconds; report it in parts",
    )
