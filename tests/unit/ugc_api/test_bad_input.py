"""Every bound of a report over HTTP: the status, and the field that the problem names.

The bounds themselves are tested with `ugc_core.acceptance`; here they have to reach the wire.
"""

import json
from uuid import UUID, uuid4

import pytest

from ugc_core.api_settings import ApiSection

GOOD = {"progress": 120, "total": 5400}
NIL = str(UUID(int=0))
NOW_S = 1_767_225_600  # 2026-01-01T00:00:00Z
DAY_MS = 86_400_000
OTHER = str(UUID(int=99))

BAD_FIELDS = {
    "progress is missing": ({"total": 5400}, "progress"),
    "progress is null": ({"progress": None, "total": 5400}, "progress"),
    "progress is text": ({"progress": "120", "total": 5400}, "progress"),
    "progress is a truth value": ({"progress": True, "total": 5400}, "progress"),
    "progress is negative": ({"progress": -0.001, "total": 5400}, "progress"),
    "progress is far past total": ({"progress": 5411, "total": 5400}, "progress"),
    "progress is beyond 48 hours": ({"progress": 172_801, "total": 172_800}, "progress"),
    "total is missing": ({"progress": 1}, "total"),
    "total is zero": ({"progress": 0, "total": 0}, "total"),
    "total is negative": ({"progress": 0, "total": -1}, "total"),
    "total rounds to zero": ({"progress": 0, "total": 0.0001}, "total"),
    "total is beyond 48 hours": ({"progress": 1, "total": 172_801}, "total"),
    "total is a list": ({"progress": 1, "total": [5400]}, "total"),
    "the stretch runs backwards": (GOOD | {"watched_from": 121}, "watched_from"),
    "the stretch starts before the film": (GOOD | {"watched_from": -1}, "watched_from"),
    "the stretch is over ten minutes": (
        {"progress": 700, "total": 5400, "watched_from": 99},
        "watched_from",
    ),
    "event_id is no UUID": (GOOD | {"event_id": "42"}, "event_id"),
    "event_id is nil": (GOOD | {"event_id": NIL}, "event_id"),
    "event_id has no time and viewed_at is missing": (
        GOOD | {"event_id": str(uuid4())},
        "viewed_at",
    ),
    "film_id differs from the path": (GOOD | {"film_id": OTHER}, "film_id"),
    "film_id is no UUID": (GOOD | {"film_id": 7}, "film_id"),
    "user_id is no UUID": (GOOD | {"user_id": "me"}, "user_id"),
    "profile_id is no UUID": (GOOD | {"profile_id": {}}, "profile_id"),
    "profile_id is nil": (GOOD | {"profile_id": NIL}, "profile_id"),
    "viewed_at is no time": (GOOD | {"viewed_at": "yesterday"}, "viewed_at"),
    "viewed_at has no zone": (GOOD | {"viewed_at": "2026-01-01T00:00:00"}, "viewed_at"),
    "viewed_at is fractional": (GOOD | {"viewed_at": 1.5}, "viewed_at"),
    "viewed_at is before 1970": (GOOD | {"viewed_at": "1969-12-31T23:59:59Z"}, "viewed_at"),
    "viewed_at is in the year 9999": (GOOD | {"viewed_at": "9999-12-31T23:59:59Z"}, "viewed_at"),
    "viewed_at is over 30 days old": (
        GOOD | {"viewed_at": NOW_S * 1000 - 30 * DAY_MS - 1},
        "viewed_at",
    ),
    "viewed_at is over a day ahead": (GOOD | {"viewed_at": NOW_S * 1000 + DAY_MS + 1}, "viewed_at"),
    "the offset moves the time out of the window": (
        GOOD | {"viewed_at": NOW_S * 1000, "clock_offset_ms": 2 * DAY_MS},
        "viewed_at",
    ),
    "clock_offset_ms is fractional": (GOOD | {"clock_offset_ms": 0.5}, "clock_offset_ms"),
    "clock_offset_ms is absurd": (GOOD | {"clock_offset_ms": 10**15}, "clock_offset_ms"),
    "session_id is no UUID": (GOOD | {"session_id": "s"}, "session_id"),
    "session_id is nil": (GOOD | {"session_id": NIL}, "session_id"),
    "seq is negative": (GOOD | {"seq": -1}, "seq"),
    "seq does not fit 32 bits": (GOOD | {"seq": 2**32}, "seq"),
    "kind is not a word": (GOOD | {"kind": "Heart beat"}, "kind"),
    "kind is too long": (GOOD | {"kind": "a" * 33}, "kind"),
    "kind ends in a line feed": (GOOD | {"kind": "start\n"}, "kind"),
    "device is empty": (GOOD | {"device": ""}, "device"),
    "device has a control character": (GOOD | {"device": "tv\x00"}, "device"),
    "extra is text": (GOOD | {"extra": "x"}, "extra"),
    "extra is a list": (GOOD | {"extra": []}, "extra"),
    "extra is over 2 KB": (GOOD | {"extra": {"x": "y" * 2048}}, "extra"),
}

BAD_BODIES = {
    "empty": (b"", 400),
    "cut short": (b'{"progress": 120, "total": 54', 400),
    "not JSON": (b"progress=120", 400),
    "NaN": (b'{"progress": NaN, "total": 5400}', 400),
    "Infinity": (b'{"progress": 1, "total": Infinity}', 400),
    "deeply nested": (b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
    "not UTF-8": (b'{"progress": 1, "total": 2, "device": "\xff"}', 400),
    "two documents": (b'{"progress": 1, "total": 2} {}', 400),
    "a trailing comma": (b'{"progress": 1, "total": 2,}', 400),
    "UTF-16": ('{"progress": 1, "total": 2}'.encode("utf-16"), 400),
    "a number that no float holds": (b'{"progress": 1e999, "total": 5400}', 422),
    "a list": (b"[]", 422),
    "a deep list": (b"[" * 5000, 400),
    "a number": (b"1", 422),
    "null": (b"null", 422),
}


@pytest.mark.parametrize(("body", "field"), BAD_FIELDS.values(), ids=BAD_FIELDS.keys())
async def test_a_bad_field_is_422_and_named(api, body, field):
    answer = await api.report(json.dumps(body).encode())

    problem = answer.json()
    assert answer.status_code == problem["status"] == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in problem["errors"]] == [field]
    assert problem["type"] == "/problems/refused-report"
    assert problem["errors"][0]["reason"]
    assert api.kept() == []


@pytest.mark.parametrize(("body", "status"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_body_that_is_no_report_is_told_apart_from_broken_json(api, body, status):
    answer = await api.report(body)

    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert api.kept() == []


@pytest.mark.parametrize("field", ["user_id", "profile_id"])
async def test_a_report_for_somebody_else_is_403(api, field):
    claims = {"profile_id": str(UUID(int=8))}

    answer = await api.report(GOOD | {field: OTHER}, **claims)

    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/foreign-report"
    assert answer.json()["errors"][0]["field"] == field
    assert api.kept() == []


async def test_a_body_may_repeat_the_tokens_user_and_profile(api):
    profile = str(UUID(int=8))
    body = GOOD | {"user_id": str(api.user), "profile_id": profile}

    assert (await api.report(body, profile_id=profile)).status_code == 202


@pytest.mark.parametrize("film", ["42", "0b39f7d6", "x" * 300, NIL, "%00", "%F0%9F%8E%AC"])
async def test_a_film_that_is_no_uuid_is_422_and_named(api, film):
    answer = await api.report(GOOD, path=f"/api/v1/progresses/films/{film}/")

    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/invalid-parameter"
    assert answer.json()["errors"][0]["field"] == "film_id"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/x-ndjson", "", "json"]
)
async def test_another_content_type_is_415_and_the_right_one_is_named(api, kind):
    headers = {"Content-Type": kind} | api.bearer()

    answer = await api.client.post(api.one, content=b"{}", headers=headers)

    assert answer.status_code == 415
    assert answer.json()["type"] == "/problems/unsupported-media-type"
    assert "application/json" in answer.json()["detail"]
    assert answer.headers["accept"] == "application/json"


async def test_a_body_in_another_coding_is_415(api):
    headers = {"Content-Type": "application/json", "Content-Encoding": "br"} | api.bearer()

    answer = await api.client.post(api.one, content=b"\x1f\x8b", headers=headers)

    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip, zstd"


async def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_413(make_api):
    body = b'{"progress": 1, "total": 2}'
    api = make_api(settings=ApiSection(max_body_bytes=len(body)))

    taken = await api.report(body)
    refused = await api.report(body + b" ")

    assert (taken.status_code, refused.status_code) == (202, 413)
    assert str(len(body)) in refused.json()["detail"]
    assert len(api.kept()) == 1


async def test_nothing_accepted_is_lost_among_bad_requests(api, make_report):
    sent: set[str] = set()
    for (body, _), (raw, _) in zip(BAD_FIELDS.values(), [*BAD_BODIES.values()] * 4, strict=False):
        good = make_report()
        sent.add(str(good["event_id"]))
        assert (await api.report(json.dumps(body).encode())).status_code == 422
        assert (await api.report(good)).status_code == 202
        assert (await api.report(raw)).status_code in {400, 422}

    assert {str(event.event_id) for event in api.kept()} == sent
