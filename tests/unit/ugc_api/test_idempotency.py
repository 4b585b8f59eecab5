"""`Idempotency-Key`: a retry is the same report, on any instance and for ever."""

import json
import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_api.documentation.request_headers import KEY
from ugc_api.intake.idempotency import parse_key
from ugc_api.problems.problem import ProblemError
from ugc_core.uuid7 import make_uuid7

AT = "2026-01-01T00:00:00Z"
POINT = {"progress": 120, "total": 5400}
TIMED = POINT | {"viewed_at": AT}
V4 = "6e6c2b5a-0c3f-4b57-8f0e-2d9a4f1b7c10"
FILMS = [str(UUID(int=number)) for number in range(1, 4)]
PATTERN = KEY["schema"]["pattern"]
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255)


async def send(api, body, key, path=None, **claims):
    keys = key if isinstance(key, list) else [key]
    headers = [*api.bearer(**claims).items(), *(("Idempotency-Key", one) for one in keys)]
    return await api.client.post(path or api.one, json=body, headers=headers)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def refused(header):
    with pytest.raises(ProblemError) as caught:
        parse_key(header)
    assert caught.value.kind.slug == "malformed-idempotency-key"


# --- the header


@given(text=TEXTS)
def test_a_quoted_string_is_the_key_and_the_document_says_so(text):
    assert parse_key(quoted(text).encode()) == text
    assert re.search(PATTERN, quoted(text))


@pytest.mark.parametrize("bare", [V4, "abc", "*a/b:c", "a-1_2.3~", "key=="])
def test_a_bare_token_is_a_key_too(bare):
    assert parse_key(f" {bare}\t".encode()) == bare


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b" ",
        b'""',
        b'"',
        b'"a',
        b'a"',
        b'"a"b"',
        b'"a";x=1',
        b'"a", "b"',
        b"a, b",
        b"a b",
        b'"\\a"',
        b'"\\"',
        b'"\x00"',
        b'"\x7f"',
        '"é"'.encode(),
        b"a" * 256,
        b'"' + b"a" * 256 + b'"',
        b"\xff",
    ],
)
def test_anything_else_is_malformed(header):
    refused(header)


@given(header=st.binary())
def test_any_bytes_are_a_key_or_malformed(header):
    try:
        key = parse_key(header)
    except ProblemError:
        return
    assert 1 <= len(key) <= 255
    assert key.isascii()


async def test_a_malformed_key_is_400_even_where_it_is_not_needed(api, make_report):
    for path, body in ((api.one, make_report()), (api.many, [])):
        answer = await send(api, body, '"', path)
        assert answer.status_code == 400
        assert answer.json()["type"] == "/problems/malformed-idempotency-key"


async def test_two_keys_are_none(api, make_report):
    answer = await send(api, make_report(), ["a", "b"])

    assert answer.status_code == 400
    assert api.kept() == []


# --- one report


async def test_a_uuid_of_version_7_is_the_event_id_and_gives_the_time(api):
    key = str(make_uuid7(api.clock.wall_ms() - 5000))

    answers = [await send(api, POINT, quoted(key)), await send(api, POINT, key)]

    assert [answer.json()["event_id"] for answer in answers] == [key, key]
    assert {event.viewed_at for event in api.kept()} == {api.clock.wall_ms() - 5000}


@pytest.mark.parametrize("key", [V4, "order 7", "00112233445577778899aabbccddeeff"])
async def test_another_key_needs_the_time_of_the_report(api, key):
    without = await send(api, POINT, quoted(key))
    with_time = [await send(api, TIMED, quoted(key)) for _ in range(2)]

    assert without.status_code == 422
    assert without.json()["errors"][0]["field"] == "viewed_at"
    assert "Idempotency-Key" in without.json()["detail"]
    assert len({answer.json()["event_id"] for answer in with_time}) == 1
    assert len(api.kept()) == 2  # the warehouse counts them once: one identity


async def test_any_uuid_with_a_time_is_the_event_id(api):
    assert (await send(api, TIMED, quoted(V4.upper()))).json()["event_id"] == V4


async def test_a_text_makes_one_id_for_each_user_and_film(api):
    other_film = api.one.replace(str(api.film), FILMS[0])
    answers = [
        await send(api, TIMED, '"a"'),
        await send(api, TIMED, '"b"'),
        await send(api, TIMED, '"a"', other_film),
        await send(api, TIMED, '"a"', sub=FILMS[2]),
        await send(api, TIMED, "a"),
    ]

    ids = [answer.json()["event_id"] for answer in answers]
    assert len(set(ids)) == 4
    assert ids[0] == ids[4]
    assert {UUID(event_id).version for event_id in ids} == {8}


async def test_an_event_id_of_the_report_stands(api, make_report):
    report = make_report()

    answer = await send(api, report, quoted(V4))

    assert answer.json()["event_id"] == report["event_id"]


async def test_a_nil_key_is_refused(api):
    assert (await send(api, TIMED, quoted(str(UUID(int=0))))).status_code == 422


# --- many


async def test_each_item_without_an_id_gets_one_from_key_place_and_film(api, make_report):
    items = [TIMED | {"film_id": film} for film in FILMS]
    items.append(items[0])
    named = make_report(film_id=FILMS[0])

    first, again, other = [
        await send(api, [*items, named], key, api.many) for key in ('"a"', '"a"', '"b"')
    ]

    ids = [item["event_id"] for item in first.json()["items"]]
    assert len(set(ids)) == 5
    assert ids[-1] == named["event_id"]
    assert [item["event_id"] for item in again.json()["items"]] == ids
    assert not {item["event_id"] for item in other.json()["items"][:-1]} & set(ids)


async def test_an_item_without_id_and_time_is_refused_alone(api):
    items = [POINT | {"film_id": FILMS[0]}, TIMED | {"film_id": FILMS[1]}, TIMED]

    answer = await send(api, items, quoted(V4), api.many)

    untimed, kept, filmless = answer.json()["items"]
    assert untimed["problem"]["errors"][0]["field"] == "viewed_at"
    assert kept["status"] == "accepted"
    assert filmless["problem"]["errors"][0]["field"] == "film_id"


async def test_lines_are_named_like_an_array(api):
    items = [TIMED | {"film_id": film} for film in FILMS]
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": '"a"'} | api.bearer()
    lines = "\n\n".join(map(json.dumps, items))

    array = await send(api, items, '"a"', api.many)
    text = await api.client.post(api.many, content=lines, headers=headers)

    assert [i["event_id"] for i in text.json()["items"]] == [
        i["event_id"] for i in array.json()["items"]
    ]


async def test_without_a_key_nothing_changes(api):
    ids = {(await api.report(POINT)).json()["event_id"] for _ in range(2)}

    assert {UUID(event_id).version for event_id in ids} == {7}
    assert len(ids) == 2


@given(header=st.from_regex(PATTERN.replace("{1,255}", "{1,20}"), fullmatch=True))
def test_what_the_document_calls_a_key_is_one(header):
    assert parse_key(header.encode())
