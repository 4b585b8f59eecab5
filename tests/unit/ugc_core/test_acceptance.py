"""Every bound of an event, and what is said about a report that breaks it."""

import json
from uuid import UUID

import msgspec
import pytest
from msgspec import UNSET

from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.codec import decode_line, encode_event
from ugc_core.errors import ForeignReportError, MalformedReportError, ReportRefusedError

NOW_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
USER, PROFILE, FILM, OTHER = (UUID(int=number) for number in (1, 2, 7, 99))
NIL = str(UUID(int=0))
VERSION_4 = "5c3f7a52-1f0e-4b6c-9c56-0d5c8a1f2b3d"


def accepted(body, *, viewer=None, film_id=FILM, window=None):
    """Take one report in, as the API does on 2026-01-01T00:00:00Z."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return accept(
        parse_report(raw),
        viewer or Viewer(user_id=USER),
        film_id=film_id,
        received_ms=NOW_MS,
        window=window or Window(),
    )


def refused(body, **changes):
    """Return the field and the reason of the refusal."""
    with pytest.raises(ReportRefusedError) as caught:
        accepted(body, **changes)
    return caught.value.field, caught.value.reason


def v7(at_ms):
    return str(UUID(int=at_ms << 80 | 7 << 76 | 0b10 << 62 | 5))


# --- what stays valid


def test_the_minimal_body_of_existing_clients_is_valid():
    event = accepted({"user_id": str(USER), "progress": 120, "total": 5400})

    assert (event.user_id, event.film_id, event.profile_id) == (USER, FILM, None)
    assert (event.progress_ms, event.total_ms, event.watched_from_ms) == (120_000, 5_400_000, None)
    assert event.event_id.version == 7
    assert event.viewed_at == event.event_time_ms == event.received_at == NOW_MS


def test_a_body_without_a_user_is_the_tokens_user():
    assert accepted({"progress": 120, "total": 5400}).user_id == USER


def test_two_minimal_bodies_are_two_events():
    body = {"progress": 120, "total": 5400}

    assert accepted(body).event_id != accepted(body).event_id


def test_every_field_is_kept():
    body = {
        "event_id": v7(NOW_MS - 5),
        "film_id": str(FILM),
        "user_id": str(USER),
        "profile_id": str(PROFILE),
        "progress": 120.5,
        "total": 5400.25,
        "watched_from": 110,
        "viewed_at": NOW_MS - 1000,
        "clock_offset_ms": -250,
        "session_id": VERSION_4,
        "seq": 3,
        "kind": "heartbeat",
        "device": "iOS 17.1 (iPad)",
        "extra": {"quality": "4k"},
    }

    event = accepted(body)

    assert json.loads(encode_event(event)) == body | {"received_at": NOW_MS}
    assert event.event_time_ms == NOW_MS - 1250


def test_unknown_fields_of_newer_clients_are_ignored(make_report):
    event = accepted(make_report(bitrate=5, nested={"a": [1]}, received_at=1))

    assert event.received_at == NOW_MS
    assert b"bitrate" not in encode_event(event)


def test_a_field_that_is_null_is_absent(make_report):
    optional = ["watched_from", "film_id", "user_id", "profile_id", "viewed_at", "clock_offset_ms"]
    optional += ["session_id", "seq", "kind", "device", "extra"]

    assert accepted(make_report(event_id=v7(5 + NOW_MS), **dict.fromkeys(optional))) == accepted(
        make_report(event_id=v7(5 + NOW_MS))
    )


# --- the JSON itself


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"progress": 1, "total": 2} more',
        b'{"progress": 1, "total": 2,}',
        b'{"progress": NaN, "total": 2}',
        b'{"progress": Infinity, "total": 2}',
        b'{"progress": 1, "total": 2, "device": "\xff"}',
        b'{"progress": 1, "total": 2, "device": "a\nb"}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_not_json_is_malformed(body):
    with pytest.raises(MalformedReportError, match="not valid JSON") as caught:
        accepted(body)
    assert caught.value.field == ""


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_json_that_is_nested_too_deeply_is_malformed(opening):
    with pytest.raises(MalformedReportError, match="nested too deeply"):
        accepted(b'{"progress": 1, "total": 2, "unknown": ' + opening * 50_000)


@pytest.mark.parametrize(
    ("body", "found"), [(b"[]", "array"), (b"null", "null"), (b"5", "int"), (b'"a"', "str")]
)
def test_a_body_that_is_no_object_is_refused(body, found):
    assert refused(body) == ("", f"Expected `object`, got `{found}`")


@pytest.mark.parametrize("field", ["progress", "total"])
def test_a_required_field_that_is_missing_is_named(make_report, field):
    body = make_report()
    del body[field]

    assert refused(body) == (field, "is required")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("progress", "120", "Expected `float`, got `str`"),
        ("progress", None, "Expected `float`, got `null`"),
        ("progress", True, "Expected `float`, got `bool`"),
        ("total", [5400], "Expected `float`, got `array`"),
        ("watched_from", "1", "Expected `float | null`, got `str`"),
        ("event_id", 5, "Expected `uuid | null`, got `int`"),
        ("event_id", "not-a-uuid", "Invalid UUID"),
        ("film_id", "7", "Invalid UUID"),
        ("user_id", "7", "Invalid UUID"),
        ("profile_id", "7", "Invalid UUID"),
        ("session_id", "7", "Invalid UUID"),
        ("viewed_at", "yesterday", "Invalid RFC3339 encoded datetime"),
        ("viewed_at", 1.5, "Expected `int | datetime | null`, got `float`"),
        ("clock_offset_ms", 1.5, "Expected `int | null`, got `float`"),
        ("seq", "1", "Expected `int | null`, got `str`"),
        ("kind", 1, "Expected `str | null`, got `int`"),
        ("device", {}, "Expected `str | null`, got `object`"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_field(make_report, field, value, reason):
    assert refused(make_report(**{field: value})) == (field, reason)


# --- progress, total, watched_from


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


# --- ids


@pytest.mark.parametrize("field", ["event_id", "film_id", "profile_id", "session_id"])
def test_a_nil_uuid_is_refused(make_report, field):
    assert refused(make_report(**{field: NIL}), film_id=None if field == "film_id" else FILM) == (
        field,
        "must not be the nil UUID; leave the field out instead",
    )


def test_a_nil_film_in_the_path_is_refused(make_report):
    field, reason = refused(make_report(), film_id=UUID(int=0))

    assert field == "film_id"
    assert "nil UUID" in reason


def test_the_film_comes_from_the_path_or_the_report(make_report):
    assert accepted(make_report(), film_id=OTHER).film_id == OTHER
    assert accepted(make_report(film_id=str(OTHER)), film_id=None).film_id == OTHER
    assert accepted(make_report(film_id=str(OTHER)), film_id=OTHER).film_id == OTHER


def test_a_film_that_is_named_nowhere_is_required(make_report):
    assert refused(make_report(), film_id=None) == ("film_id", "is required")


def test_a_film_that_differs_from_the_path_is_refused(make_report):
    assert refused(make_report(film_id=str(OTHER))) == (
        "film_id",
        "differs from the film in the path",
    )


@pytest.mark.parametrize("user_id", [str(OTHER), NIL])
def test_another_user_is_foreign(make_report, user_id):
    with pytest.raises(ForeignReportError) as caught:
        accepted(make_report(user_id=user_id))

    assert (caught.value.field, caught.value.reason) == ("user_id", "is not the token's user")


def test_another_profile_than_the_tokens_is_foreign(make_report):
    viewer = Viewer(user_id=USER, profile_id=PROFILE)
    with pytest.raises(ForeignReportError) as caught:
        accepted(make_report(profile_id=str(OTHER)), viewer=viewer)

    assert (caught.value.field, caught.value.reason) == ("profile_id", "is not the token's profile")


def test_the_tokens_profile_need_not_be_repeated(make_report):
    viewer = Viewer(user_id=USER, profile_id=PROFILE)

    assert accepted(make_report(), viewer=viewer).profile_id == PROFILE
    assert accepted(make_report(profile_id=str(PROFILE)), viewer=viewer).profile_id == PROFILE


def test_a_token_without_a_profile_lets_the_report_name_one(make_report):
    assert accepted(make_report(profile_id=str(PROFILE))).profile_id == PROFILE


def test_the_users_own_id_as_profile_is_no_profile(make_report):
    assert accepted(make_report(profile_id=str(USER))).profile_id is None
    assert accepted(make_report(), viewer=Viewer(user_id=USER, profile_id=USER)).profile_id is None


# --- time


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


# --- the rest


@pytest.mark.parametrize("kind", ["start", "heartbeat", "a", "buffer_2", "x" * 32])
def test_a_kind_is_a_word(make_report, kind):
    assert accepted(make_report(kind=kind)).kind == kind


@pytest.mark.parametrize("kind", ["", "Start", "2x", "_a", "a-b", "x" * 33, "end\n", "é", "a b"])
def test_another_kind_is_refused(make_report, kind):
    field, reason = refused(make_report(kind=kind))

    assert field == "kind"
    assert reason.startswith("Expected `str` matching regex")


@pytest.mark.parametrize("device", ["web", "TV", "iOS 17.1 (iPad)", "a/b_c+d-e", "x" * 32])
def test_a_device_is_a_short_name(make_report, device):
    assert accepted(make_report(device=device)).device == device


@pytest.mark.parametrize("device", ["", " tv", "x" * 33, "tv\n", "a\tb", "té", "<script>", "a;b"])
def test_another_device_is_refused(make_report, device):
    field, reason = refused(make_report(device=device))

    assert field == "device"
    assert reason.startswith("Expected `str` matching regex")


@pytest.mark.parametrize("seq", [0, 2**32 - 1])
def test_a_number_in_the_session_is_32_bits(make_report, seq):
    assert accepted(make_report(seq=seq)).seq == seq


@pytest.mark.parametrize("seq", [-1, 2**32, 10**30])
def test_another_number_is_refused(make_report, seq):
    field, reason = refused(make_report(seq=seq))

    assert field == "seq"
    assert reason.startswith("Expected `int` ")


@pytest.mark.parametrize("offset_ms", [-(10**13), 10**13, 10**30])
def test_a_clock_offset_has_a_range(make_report, offset_ms):
    field, reason = refused(make_report(clock_offset_ms=offset_ms))

    assert field == "clock_offset_ms"
    assert reason.startswith("Expected `int` ")


def with_extra(raw):
    return b'{"progress": 120, "total": 5400, "extra": ' + raw + b"}"


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{ "b":1,"a" : [1.50, 1e2, "\\u00e9\xc3\xa9"] }',
        b'{"a":"\\n \\r \\u2028 \xe2\x80\xa8"}',
        b'{"a":"%s"}' % (b"x" * (2048 - 8)),
    ],
)
def test_extra_is_kept_verbatim(raw):
    event = accepted(with_extra(raw))

    assert isinstance(event.extra, msgspec.Raw)
    assert bytes(event.extra) == raw
    assert decode_line(encode_event(event)) == event


def test_extra_of_null_is_absent():
    assert accepted(with_extra(b"null")).extra is UNSET


@pytest.mark.parametrize("raw", [b"[]", b"5", b'"a"', b"true"])
def test_extra_is_an_object(raw):
    assert refused(with_extra(raw)) == ("extra", "must be a JSON object")


def test_extra_has_at_most_two_kilobytes():
    raw = b'{"a":"%s"}' % (b"x" * (2049 - 8))

    assert refused(with_extra(raw)) == ("extra", "must be at most 2048 bytes")


def test_extra_is_utf_8():
    assert refused(with_extra(b'{"a":"\xff"}')) == ("extra", "is not valid UTF-8")


@pytest.mark.parametrize("raw", [b"{a:1}", b'{"a":01}', b'{"a":NaN}', b'{"a":"x\ny"}', b"{'a':1}"])
def test_extra_is_json(raw):
    with pytest.raises(MalformedReportError):
        accepted(with_extra(raw))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_breaks_between_the_tokens_of_extra_go_and_the_tokens_stay(end):
    raw = end.join([b"{", b'  "a": 1.50,', b'  "b": ["c\\n", {}]', b"}"])

    event = accepted(with_extra(raw))

    assert b'"extra":{"a":1.50,"b":["c\\n",{}]}' in encode_event(event)
    assert not set(b"\r\n") & set(encode_event(event))


def test_extra_is_nested_no_deeper_than_every_reader_can_follow():
    deepest = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"
    too_deep = b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"
    only_text = b'{"a":"\\"' + b"[" * 500 + b'"}'
    wide = b'{"a":[' + b"{}," * 300 + b"{}]}"

    for raw in (deepest, only_text, wide):
        assert accepted(with_extra(raw))
    assert refused(with_extra(too_deep)) == ("extra", "must be nested at most 64 deep")


def test_an_accepted_event_can_be_read_with_little_stack_left():
    line = encode_event(accepted(with_extra(b'{"a":' + b"[" * 63 + b"]" * 63 + b"}")))

    def deep(levels):
        return decode_line(line) if levels == 0 else deep(levels - 1)

    assert deep(700) == decode_line(line)
