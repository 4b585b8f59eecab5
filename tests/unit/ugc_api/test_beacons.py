"""Beacons: the last words of a page that goes away."""

import json
from dataclasses import replace
from uuid import UUID

import pytest

from ugc_core.api_settings import ApiSection
from ugc_core.errors import LogUnavailableError

TOKENS = "/api/v1/beacon-tokens"
BEACONS = "/api/v1/beacons"
OTHER = str(UUID(int=77))
SESSION = str(UUID(int=8))
GOOD = {"progress": 120, "total": 5400}


async def ask(api, body=None, **claims):
    wanted = {"film_id": str(api.film)} if body is None else body
    sent = {"content": wanted} if isinstance(wanted, bytes) else {"json": wanted}
    headers = {"Content-Type": "application/json"} | api.bearer(**claims)
    return await api.client.post(TOKENS, headers=headers, **sent)


async def beacon(api, *reports, token=None, kind="text/plain;charset=UTF-8", **more):
    """Send a beacon as a browser does: no header of ours."""
    body = {"token": token or (await ask(api)).json()["token"]}
    if len(reports) != 1:
        body["reports"] = reports
    else:
        body["report"] = reports[0]
    headers = {} if kind is None else {"Content-Type": kind}
    return await api.client.post(BEACONS, content=json.dumps(body | more), headers=headers)


def refused_count(api, kind):
    return api.metric("ugc_api_events_total", outcome="refused", reason=kind)


# --- tokens


async def test_a_token_says_how_long_it_is_good_for(api):
    answer = await ask(api)

    assert answer.status_code == 200
    assert answer.json()["expires_in"] == 21_600
    assert answer.headers["cache-control"] == "no-store"
    assert api.services.beacons.read(answer.json()["token"]).film_id == api.film


async def test_a_token_needs_an_access_token(api):
    answer = await api.client.post(TOKENS, json={"film_id": str(api.film)})

    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/missing-token"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({}, 422, "film_id"),
        ({"film_id": "x"}, 422, "film_id"),
        ({"film_id": str(UUID(int=0))}, 422, "film_id"),
        ({"film_id": OTHER, "session_id": str(UUID(int=0))}, 422, "session_id"),
        ({"film_id": OTHER, "session_id": 5}, 422, "session_id"),
        ([], 422, None),
        (b"{", 400, None),
        (b'{"x":' + b"[" * 4000, 400, None),
        (b" " * 5000, 413, None),
    ],
)
async def test_a_request_for_a_token_that_says_nothing_is_refused(api, body, status, field):
    answer = await ask(api, body)

    assert answer.status_code == status
    assert [error["field"] for error in answer.json().get("errors", [])] == [field] * bool(field)


async def test_the_profile_is_the_tokens_where_it_has_one(api):
    film = {"film_id": str(api.film)}
    chosen = await ask(api, film | {"profile_id": OTHER})
    given = await ask(api, profile_id=OTHER)
    foreign = await ask(api, film | {"profile_id": SESSION}, profile_id=OTHER)

    for answer in (chosen, given):
        assert api.services.beacons.read(answer.json()["token"]).profile_id == UUID(OTHER)
    assert foreign.status_code == 403


# --- beacons


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/plain;charset=UTF-8", "application/json", None]
)
async def test_a_beacon_is_kept_before_it_is_answered(api, make_report, kind):
    report = make_report()

    answer = await beacon(api, report, kind=kind)

    (event,) = api.kept()
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers
    assert "content-type" not in answer.headers
    assert answer.headers["x-request-id"]
    assert str(event.event_id) == report["event_id"]
    assert (event.user_id, event.film_id) == (api.user, api.film)


async def test_several_reports_are_one_record(api, make_report):
    answer = await beacon(api, *[make_report(film_id=str(api.film)), make_report()])

    ((record,),) = api.log.records.values()
    assert answer.status_code == 204
    assert dict(record.headers)["lines"] == b"2"


async def test_one_bad_report_is_dropped_and_counted(api, make_report):
    good = make_report()

    answer = await beacon(api, {"progress": 9}, good, make_report(film_id=OTHER))

    assert answer.status_code == 204
    assert [str(event.event_id) for event in api.kept()] == [good["event_id"]]
    assert refused_count(api, "refused-report") == 1
    assert refused_count(api, "foreign-report") == 1


@pytest.mark.parametrize(
    ("report", "status"),
    [
        ({"progress": 9}, 422),
        (GOOD | {"film_id": OTHER}, 403),
        (GOOD | {"user_id": OTHER}, 403),
        (GOOD | {"profile_id": OTHER}, 403),
        (7, 422),
    ],
)
async def test_a_beacon_without_a_good_report_is_refused(api, report, status):
    answer = await beacon(api, report)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert api.kept() == []


async def test_a_token_for_a_session_takes_reports_of_that_session_alone(api, make_report):
    token = (await ask(api, {"film_id": str(api.film), "session_id": SESSION})).json()["token"]

    answers = [
        await beacon(api, make_report(**session), token=token)
        for session in ({}, {"session_id": SESSION}, {"session_id": OTHER})
    ]

    assert [answer.status_code for answer in answers] == [204, 204, 403]
    assert answers[2].json()["errors"][0]["field"] == "session_id"
    assert [str(event.session_id) for event in api.kept()] == [SESSION, SESSION]


@pytest.mark.parametrize("count", [0, 3])
async def test_a_beacon_holds_some_reports_and_not_too_many(make_api, make_report, count):
    api = make_api(settings=ApiSection(max_batch_events=2))

    answer = await beacon(api, *[make_report() for _ in range(count)])

    assert answer.status_code == (413 if count else 422)
    assert api.kept() == []


async def test_a_beacon_of_more_than_64_kib_is_413(api, make_report):
    answer = await beacon(api, make_report(), padding="x" * 65_536)

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b"[" * 60_000, b'{"token": 5}', b"{}", b'{"token":"\\ud800"}'],
)
async def test_what_is_no_beacon_is_refused(api, body):
    answer = await api.client.post(BEACONS, content=body, headers={"Content-Type": "text/plain"})

    assert answer.status_code in {400, 422}


async def test_neither_a_header_nor_a_cookie_stands_for_the_token(api, make_report):
    headers = {"Content-Type": "text/plain", "Cookie": f"token={api.token()}"} | api.bearer()
    bodies = [
        {"report": make_report()},
        {"token": "", "report": make_report()},
        {"token": api.token(), "report": make_report()},
    ]

    answers = [await api.client.post(BEACONS, json=body, headers=headers) for body in bodies]

    assert [answer.status_code for answer in answers] == [422, 401, 401]
    assert api.kept() == []


async def test_an_expired_token_is_401(api, make_report):
    token = (await ask(api)).json()["token"]
    await api.clock.sleep(21_600)

    assert (await beacon(api, make_report(), token=token)).status_code == 401


async def test_other_types_of_body_are_415_and_text_is_taken_here_alone(api, make_report):
    form = await beacon(api, make_report(), kind="application/x-www-form-urlencoded")
    headers = {"Content-Type": "text/plain"} | api.bearer()
    elsewhere = [
        await api.client.post(path, json=make_report(), headers=headers)
        for path in (api.one, api.many, TOKENS)
    ]

    assert {answer.status_code for answer in (form, *elsewhere)} == {415}


async def test_a_log_that_fails_is_503(make_api, failing_log, make_report):
    api = make_api(writer=lambda log: failing_log(LogUnavailableError("gone")))

    answer = await beacon(api, make_report())

    assert answer.status_code == 503
    assert "retry-after" in answer.headers


async def test_without_any_secret_both_routes_say_so(api, make_report):
    without = replace(api, services=replace(api.services, beacons=None))
    token = (await ask(api)).json()["token"]

    answers = [await ask(without), await beacon(without, make_report(), token=token)]

    assert [answer.json()["type"] for answer in answers] == ["/problems/beacons-off"] * 2
    assert [answer.status_code for answer in answers] == [404, 404]
