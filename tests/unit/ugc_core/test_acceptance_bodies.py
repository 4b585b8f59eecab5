"""Which JSON is a report at all, and what older and newer clients may send."""

import json

import pytest

from tests.unit.ugc_core.accepted_reports import (
    FILM,
    NOW_MS,
    PROFILE,
    USER,
    VERSION_4,
    accepted,
    refused,
    v7,
)
from ugc_core.codec import encode_event
from ugc_core.errors import MalformedReportError

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
