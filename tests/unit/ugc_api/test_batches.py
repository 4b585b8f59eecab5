"""Many reports at once: a verdict for each, and one bad item never costs the others."""

import json
from uuid import UUID

import pytest

from ugc_core.api_settings import ApiSection

FILMS = [str(UUID(int=number)) for number in range(1, 9)]
BAD_ITEMS = {
    "no film": ({"progress": 1, "total": 2}, "/problems/refused-report", "film_id"),
    "a nil film": (
        {"film_id": str(UUID(int=0)), "progress": 1, "total": 2},
        "/problems/refused-report",
        "film_id",
    ),
    "a bad field": (
        {"film_id": FILMS[0], "progress": "x", "total": 2},
        "/problems/refused-report",
        "progress",
    ),
    "another user": (
        {"film_id": FILMS[0], "progress": 1, "total": 2, "user_id": FILMS[7]},
        "/problems/foreign-report",
        "user_id",
    ),
    "not an object": (7, "/problems/refused-report", None),
    "null": (None, "/problems/refused-report", None),
}


def item(make_report, film=0, **changes):
    return make_report(film_id=FILMS[film], **changes)


def ndjson(*items):
    return b"".join(json.dumps(found).encode() + b"\n" for found in items)


async def send_lines(api, body):
    headers = {"Content-Type": "application/x-ndjson"} | api.bearer()
    return await api.client.post(api.many, content=body, headers=headers)


async def test_a_batch_is_one_record_of_as_many_lines(api, make_report):
    items = [item(make_report, film) for film in range(3)]

    answer = await api.report(items, path=api.many)

    ((record,),) = api.log.records.values()
    assert answer.status_code == 202
    assert answer.json() == {
        "accepted": 3,
        "refused": 0,
        "duplicates": 0,
        "items": [
            {
                "status": "accepted",
                "event_id": found["event_id"],
                "receipt": {"partition": 3, "offset": 0, "line": line},
            }
            for line, found in enumerate(items)
        ],
    }
    assert dict(record.headers)["lines"] == b"3"
    assert [str(event.event_id) for event in api.kept()] == [i["event_id"] for i in items]


async def test_lines_are_taken_like_an_array(api, make_report):
    items = [item(make_report, film) for film in range(3)]

    answer = await send_lines(api, ndjson(*items))

    assert answer.json()["accepted"] == 3
    assert [str(event.event_id) for event in api.kept()] == [i["event_id"] for i in items]


async def test_empty_lines_carriage_returns_and_a_missing_last_line_feed_do_not_matter(
    api, make_report
):
    first, second = item(make_report), item(make_report, 1)
    body = b"\n" + json.dumps(first).encode() + b"\r\n  \n\r\n" + json.dumps(second).encode()

    answer = await send_lines(api, body)

    assert (answer.json()["accepted"], len(answer.json()["items"])) == (2, 2)


@pytest.mark.parametrize(("bad", "kind", "field"), BAD_ITEMS.values(), ids=BAD_ITEMS.keys())
@pytest.mark.parametrize("lines", [False, True], ids=["array", "lines"])
async def test_a_bad_item_is_refused_and_its_neighbours_are_kept(
    api, make_report, bad, kind, field, lines
):
    before, after = item(make_report), item(make_report, 1)

    if lines:
        answer = await send_lines(api, ndjson(before, bad, after))
    else:
        answer = await api.report([before, bad, after], path=api.many)

    first, refused, last = answer.json()["items"]
    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["refused"]) == (2, 1)
    assert refused["status"] == "refused"
    assert refused["problem"]["type"] == kind
    fields = [error["field"] for error in refused["problem"].get("errors", [])]
    assert fields == ([field] if field else [])
    assert (first["receipt"]["line"], last["receipt"]["line"]) == (0, 1)
    assert {str(event.event_id) for event in api.kept()} == {before["event_id"], after["event_id"]}


TWO_IN_A_LINE = b'{"progress": 1, "total": 9, "viewed_at": 1767225600000}' * 2
"""A stream of values has two reports here, a batch of lines has one line that is none."""


async def test_two_reports_in_a_line_are_no_line(api, make_report):
    good = item(make_report)

    answer = await send_lines(api, TWO_IN_A_LINE + b"\n" + ndjson(good))

    refused, accepted = answer.json()["items"]
    assert refused["problem"]["type"] == "/problems/malformed-body"
    assert accepted["event_id"] == good["event_id"]


@pytest.mark.parametrize("line", [b"{", b'{"progress": NaN}', b"\xff", b'{"x":' * 5000])
async def test_a_malformed_line_costs_itself_alone(api, make_report, line):
    good = item(make_report)

    answer = await send_lines(api, line + b"\n" + ndjson(good))

    refused, accepted = answer.json()["items"]
    assert refused["problem"]["type"] == "/problems/malformed-body"
    assert accepted["event_id"] == good["event_id"]
    assert [str(event.event_id) for event in api.kept()] == [good["event_id"]]


@pytest.mark.parametrize("body", [b"", b"[", b"[1,]", b"[NaN]", b"[" * 5000, b"nope"])
async def test_a_malformed_array_is_400_as_a_whole(api, body):
    answer = await api.report(body, path=api.many)

    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed-body"


async def test_an_object_in_place_of_an_array_is_422(api, make_report):
    answer = await api.report(item(make_report), path=api.many)

    assert answer.status_code == 422
    assert "array" in answer.json()["detail"]


async def test_a_repeated_event_id_is_kept_once_and_gets_the_first_ones_receipt(api, make_report):
    first = item(make_report)
    other = item(make_report, 1)

    answer = await api.report([first, other, first | {"progress": 5}], path=api.many)

    verdicts = answer.json()["items"]
    assert [verdict["status"] for verdict in verdicts] == ["accepted", "accepted", "duplicate"]
    assert verdicts[2]["receipt"] == verdicts[0]["receipt"]
    assert answer.json()["duplicates"] == 1
    assert [event.progress for event in api.kept()] == [120, 120]


async def test_one_event_id_in_two_films_is_two_reports(api, make_report):
    first = item(make_report)

    answer = await api.report([first, first | {"film_id": FILMS[3]}], path=api.many)

    assert answer.json()["accepted"] == 2
    assert len(api.kept()) == 2


async def test_a_batch_without_one_good_item_is_answered_item_by_item_too(api):
    answer = await api.report([{}, 1], path=api.many)

    assert answer.status_code == 202
    assert (answer.json()["accepted"], answer.json()["refused"]) == (0, 2)
    assert api.log.records == {}


async def test_an_empty_batch_is_no_mistake(api):
    answer = await api.report([], path=api.many)

    assert answer.json() == {"accepted": 0, "refused": 0, "duplicates": 0, "items": []}


async def test_one_item_more_than_the_limit_is_413_and_nothing_is_kept(make_api, make_report):
    api = make_api(settings=ApiSection(max_batch_events=2))

    taken = await api.report([item(make_report, n) for n in range(2)], path=api.many)
    refused = await api.report([item(make_report, n) for n in range(3)], path=api.many)

    assert (taken.status_code, refused.status_code) == (202, 413)
    assert "2" in refused.json()["detail"]
    assert len(api.kept()) == 2


async def test_a_batch_of_too_many_bytes_is_413(make_api):
    api = make_api(settings=ApiSection(max_batch_bytes=10))

    answer = await api.report(b"[1,1,1,1,1,1]", path=api.many)

    assert answer.status_code == 413


async def test_another_content_type_is_415_and_both_are_named(api):
    headers = {"Content-Type": "text/csv"} | api.bearer()

    answer = await api.client.post(api.many, content=b"", headers=headers)

    assert answer.status_code == 415
    assert answer.headers["accept"] == "application/json, application/x-ndjson"


async def test_a_full_batch_fits_the_limits(api, make_report):
    items = [item(make_report, n % 8, seq=n, kind="heartbeat") for n in range(500)]

    answer = await api.report(items, path=api.many)

    assert answer.json()["accepted"] == 500
    assert len(api.kept()) == 500
