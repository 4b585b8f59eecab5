"""What browsers and older clients send to a running `ugc-api`: what it acknowledged is kept."""

import gzip
import json
import sys
from collections.abc import Callable, Mapping
from uuid import UUID

import httpx
import pytest

from tests.integration.api_logs import stored
from tests.integration.api_processes import FILM, MANY, ONE, PATIENCE_S, ApiProcess, report
from ugc_core.clock import SystemClock

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ORIGIN = "https://cinema.example"
TOKENS, BEACONS = "/api/v1/beacon-tokens", "/api/v1/beacons"
COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}


@pytest.fixture
def service(tmp_path, log):
    with ApiProcess(tmp_path, UGC_API__CORS_ORIGINS=ORIGIN).running() as running:
        yield running


@pytest.mark.parametrize("coding", COMPRESS)
async def test_compressed_reports_are_kept(service, log, coding):
    one = report()
    many = [report() | {"film_id": str(FILM)} for _ in range(500)]
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    async with service.client() as client:
        answers = [
            await client.post(
                path, content=COMPRESS[coding](json.dumps(body).encode()), headers=headers
            )
            for path, body in ((ONE, one), (MANY, many))
        ]
        bomb = await client.post(MANY, content=COMPRESS[coding](bytes(10_000_000)), headers=headers)

    assert [answer.status_code for answer in answers] == [202, 202]
    assert bomb.status_code == 413
    assert {str(event.event_id) for event in await stored(log)} == {
        found["event_id"] for found in (one, *many)
    }


async def test_a_page_of_another_origin_says_its_last_words(service, log):
    last = report()
    page = {"Origin": ORIGIN}
    async with service.client() as client:
        asked = await client.options(
            TOKENS, headers=page | {"Access-Control-Request-Method": "POST"}
        )
        given = await client.post(TOKENS, json={"film_id": str(FILM)}, headers=page)
    body = json.dumps({"token": given.json()["token"], "report": last})
    async with httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_S) as browser:
        sent = await browser.post(
            BEACONS, content=body, headers=page | {"Content-Type": "text/plain;charset=UTF-8"}
        )

    assert (asked.status_code, given.status_code, sent.status_code) == (204, 200, 204)
    for answer in (asked, given, sent):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "content-length" not in sent.headers
    (event,) = await stored(log)
    assert (str(event.event_id), event.user_id, event.film_id) == (
        last["event_id"],
        UUID(int=5),
        FILM,
    )


async def test_what_the_router_refuses_can_be_read_by_the_page(service):
    async with service.client() as client:
        answer = await client.get("/api/v1/nothing", headers={"Origin": ORIGIN})
        foreign = await client.get("/api/v1/nothing", headers={"Origin": f"{ORIGIN}.evil.example"})

    assert answer.status_code == foreign.status_code == 404
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-origin" not in foreign.headers


async def test_a_key_makes_a_retry_the_same_report(service, log):
    body = {"progress": 120, "total": 5400, "viewed_at": SystemClock().wall_ms()}
    async with service.client() as client:
        answers = [
            await client.post(ONE, json=body, headers={"Idempotency-Key": '"pause 7"'})
            for _ in range(2)
        ]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert len({event.event_id for event in await stored(log)}) == 1


async def test_an_old_client_gets_its_old_answer(tmp_path, log):
    old = {"user_id": str(UUID(int=5)), "progress": 120, "total": 5400}
    with ApiProcess(tmp_path, UGC_API__LEGACY_ANSWERS="true").running() as service:
        async with service.client() as client:
            answer = await client.post(ONE, json=old)

    assert (answer.status_code, answer.json()) == (202, {"content": {"result": True}})
    (event,) = await stored(log)
    assert event.progress == 120
