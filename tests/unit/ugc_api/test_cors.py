"""Cross-origin requests: the origins that are named, exactly, and no others."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ugc_api.cors import Cors, abilities
from ugc_core.api_settings import ApiSection

ORIGIN = "https://cinema.example"
LOCAL = "http://localhost:8080"
BEACONS, TOKENS = "/api/v1/beacons", "/api/v1/beacon-tokens"
OTHERS = (
    "null",
    "*",
    "",
    "https://cinema.example.evil.example",
    "https://evilcinema.example",
    "https://evil.example/https://cinema.example",
    "https://www.cinema.example",
    "http://cinema.example",
    "https://cinema.example:8443",
    "https://cinema.example/",
    "https://cinema.example.",
    "HTTPS://CINEMA.EXAMPLE",
    "https://cinemaXexample",
    "https://cinema.example, https://evil.example",
    f"{ORIGIN} ",
)


@pytest.fixture
def api(make_api):
    return make_api(settings=ApiSection(cors_origins=(ORIGIN, LOCAL), cors_max_age_s=60))


async def preflight(api, path, origin=ORIGIN, method="POST"):
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return await api.client.options(path, headers=headers)


def granted(answer):
    return {name for name in answer.headers if name.startswith("access-control-")}


def listed(answer, name):
    return set(answer.headers[name].split(", "))


@pytest.mark.parametrize("origin", [ORIGIN, LOCAL])
async def test_a_preflight_says_what_the_routes_take_and_nothing_more(api, origin):
    answer = await preflight(api, api.one, origin)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == origin
    assert listed(answer, "access-control-allow-methods") == {"GET", "POST"}
    assert listed(answer, "access-control-allow-headers") == {
        "Authorization",
        "Content-Encoding",
        "Content-Type",
        "Idempotency-Key",
        "Traceparent",
        "X-Request-ID",
    }
    assert answer.headers["access-control-max-age"] == "60"
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["x-request-id"]
    assert "access-control-allow-credentials" not in answer.headers


async def test_every_route_has_its_own_methods(api):
    found = {
        path: listed(await preflight(api, path), "access-control-allow-methods")
        for path in (api.many, BEACONS, TOKENS)
    }

    assert found == {api.many: {"GET", "POST"}, BEACONS: {"POST"}, TOKENS: {"POST"}}
    beacons = await preflight(api, BEACONS)
    assert "Authorization" not in listed(beacons, "access-control-allow-headers")


async def test_the_abilities_are_those_of_the_routes(api):
    routes = api.framework.routes
    taken = {
        (route.path, method)
        for route in routes
        if route.path.startswith("/api/v1/")
        for method in route.methods
    }

    said = {(one.template, m) for one in abilities(routes) for m in one.methods.split(", ")}

    assert said == taken


async def test_a_preflight_is_counted_and_keeps_the_name_of_the_request(api):
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "X-Request-ID": "mine",
    }
    answer = await api.client.options(BEACONS, headers=headers)

    assert answer.headers["x-request-id"] == "mine"
    assert api.metric("ugc_api_requests_total", method="OPTIONS", route=BEACONS, status="204") == 1


@pytest.mark.parametrize("origin", OTHERS)
async def test_another_origin_gets_nothing(api, make_report, origin):
    headers = {"Origin": origin, "Content-Type": "application/json"} | api.bearer()

    asked = await preflight(api, api.one, origin)
    sent = await api.client.post(api.one, json=make_report(), headers=headers)

    assert asked.status_code == 405
    assert sent.status_code == 202  # who is no browser sends what it likes
    assert granted(asked) == granted(sent) == set()
    assert sent.headers["vary"] == "Origin"


AROUND = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=8)


@given(before=AROUND, after=AROUND)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_around_an_origin_is_allowed_with_it(api, before, after):
    answer = asyncio.run(preflight(api, api.one, before + ORIGIN + after))

    assert (answer.status_code == 204) == (before + after == "")
    assert bool(granted(answer)) == (before + after == "")


async def test_the_answers_of_every_kind_of_route_can_be_read(api, make_report):
    origin = {"Origin": ORIGIN}
    signed = origin | api.bearer()
    answers = {
        "kept": await api.client.post(api.one, json=make_report(), headers=signed),
        "refused": await api.client.post(api.one, json={}, headers=signed),
        "without a token": await api.client.post(api.one, json={}, headers=origin),
        "read": await api.client.get(api.many, headers=signed),
        "read without a token": await api.client.get(api.many, headers=origin),
        "no such path": await api.client.get("/api/v1/nothing", headers=origin),
        "no such method": await api.client.put(api.one, headers=origin),
        "beacon": await api.client.post(BEACONS, content="{}", headers=origin),
    }

    for name, answer in answers.items():
        assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN], name
        assert answer.headers["vary"] == "Origin", name
        exposed = listed(answer, "access-control-expose-headers")
        assert {"X-Request-ID", "Retry-After"} <= exposed, name


async def test_an_error_of_ours_can_be_read(api):
    async def broken():
        raise KeyError

    api.framework.add_api_route("/api/v1/broken", broken)

    answer = await api.client.get("/api/v1/broken", headers={"Origin": ORIGIN})

    assert answer.status_code == 500
    assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_a_simple_beacon_can_be_sent_without_asking(api, make_report):
    wanted = {"film_id": str(api.film)}
    token = await api.client.post(TOKENS, json=wanted, headers=api.bearer())
    body = {"token": token.json()["token"], "report": make_report()}

    answer = await api.client.post(
        BEACONS, json=body, headers={"Origin": ORIGIN, "Content-Type": "text/plain"}
    )

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/api/docs", "/problems/", "/api/v1"])
async def test_what_is_not_for_pages_stays_closed_to_them(api, path):
    answers = [
        await api.client.get(path, headers={"Origin": ORIGIN}),
        await preflight(api, path),
    ]

    assert [granted(answer) for answer in answers] == [set(), set()]


async def test_options_without_a_question_and_a_path_that_is_not_there_are_no_preflight(api):
    plain = await api.client.options(api.one, headers={"Origin": ORIGIN})
    nowhere = await preflight(api, "/api/v1/nothing")

    assert (plain.status_code, nowhere.status_code) == (405, 404)


async def test_without_an_origin_nothing_is_added(api, make_report):
    answer = await api.report(make_report())

    assert granted(answer) == set()
    assert "vary" not in answer.headers


async def test_with_no_origin_configured_nothing_stands_in_between(make_api, make_report):
    api = make_api()
    headers = {"Origin": ORIGIN} | api.bearer()

    answer = await api.client.post(api.one, json=make_report(), headers=headers)

    assert not isinstance(api.app, Cors)
    assert granted(answer) == set()
    assert (await preflight(api, api.one)).status_code == 405
