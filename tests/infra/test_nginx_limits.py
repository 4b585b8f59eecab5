"""How much nginx lets through: by token, by address, by connections; and whose address counts."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from uuid import UUID

import httpx
import jwt
import pytest

from tests.infra.fake_api import HANGS, FakeApi, fake_api, headers_of
from tests.infra.nginx_process import NO_TLS, Front, Site, running
from tests.infra.test_nginx_problems import said
from tests.integration.api_processes import bearer

PATH = "/api/v1/progresses/"
TOKEN_RATE, TOKEN_BURST = 10, 40
ADDRESS_RATE, ADDRESS_BURST = 20, 100
FEWER = {
    "zone=address:10m rate=200r/s": f"zone=address:10m rate={ADDRESS_RATE}r/s",
    "zone=address burst=400": f"zone=address burst={ADDRESS_BURST}",
}
"""A test's client cannot send 200 requests a second for long."""
BALANCER = "set_real_ip_from 127.0.0.1;"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as listening:
        yield listening


@pytest.fixture
def front(needs, api, tmp_path) -> Iterator[Front]:
    with running(needs("nginx"), tmp_path, Site(services=[api.port], changes=FEWER)) as front:
        yield front


@pytest.fixture
def behind_a_balancer(needs, api, tmp_path) -> Iterator[Front]:
    site = Site(services=[api.port], changes=FEWER, files={"trusted-proxies.conf": BALANCER})
    with running(needs("nginx"), tmp_path, site) as front:
        yield front


async def ask(
    front: Front, headers: Sequence[dict[str, str]]
) -> tuple[list[httpx.Response], float]:
    """Ask once with each of these headers, twenty at a time; return how long it took, too."""
    started = time.monotonic()
    waiting = list(headers)
    answers: list[httpx.Response] = []
    async with httpx.AsyncClient(base_url=front.url, timeout=20, verify=NO_TLS) as client:

        async def player() -> None:
            while waiting:
                answers.append(await client.get(PATH, headers=waiting.pop()))

        await asyncio.gather(*(player() for _ in range(20)))
    return answers, time.monotonic() - started


def check(answers: list[httpx.Response], *, burst: int, rate: int, took_s: float) -> None:
    """Some were let through, as many as there is room for, and the others know what to do."""
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}
    assert burst <= statuses[200] <= burst + 1 + rate * took_s
    for answer in answers:
        if answer.status_code == 429:
            said(answer)
            assert answer.headers["retry-after"] == "1"


async def test_one_token_has_its_limit_however_many_connections_it_uses(front, api):
    answers, took_s = await ask(front, [bearer()] * 90)

    check(answers, burst=TOKEN_BURST, rate=TOKEN_RATE, took_s=took_s)
    assert len(api.seen) == sum(answer.status_code == 200 for answer in answers)


async def test_a_token_that_is_over_its_limit_costs_the_others_nothing(front):
    await ask(front, [bearer()] * 60)

    answers, _ = await ask(front, [bearer(user) for user in range(100, 130)])

    assert {answer.status_code for answer in answers} == {200}


async def test_a_token_is_the_same_however_its_scheme_is_written(front):
    token = bearer()["Authorization"].removeprefix("Bearer ")
    forms = [f"Bearer {token}", f"bearer {token}", f"BEARER   {token}"]

    answers, took_s = await ask(front, [{"Authorization": form} for form in forms * 25])

    check(answers, burst=TOKEN_BURST, rate=TOKEN_RATE, took_s=took_s)


async def test_one_address_has_its_limit_however_many_tokens_it_makes_up(front):
    made_up = [
        {"Authorization": f"Bearer {jwt.encode({'n': n}, 'k' * 32, algorithm='HS256')}"}
        for n in range(250)
    ]

    answers, took_s = await ask(front, made_up)

    check(answers, burst=ADDRESS_BURST, rate=ADDRESS_RATE, took_s=took_s)


async def test_what_is_no_token_is_held_to_the_limit_of_its_address_alone(front):
    answers, _ = await ask(front, [{"Authorization": "Basic ZG9jczpkb2Nz"}] * 90)

    assert {answer.status_code for answer in answers} == {200}


async def test_an_address_that_a_client_claims_gets_it_no_other_limit(front):
    claims = [{"X-Forwarded-For": f"203.0.113.{n % 250}"} for n in range(250)]

    answers, took_s = await ask(front, claims)

    check(answers, burst=ADDRESS_BURST, rate=ADDRESS_RATE, took_s=took_s)


async def test_a_balancers_word_counts_by_its_last_address(behind_a_balancer):
    claims = [
        {"X-Forwarded-For": f"203.0.113.{n % 250}, 198.51.100.7, 127.0.0.1"} for n in range(250)
    ]

    answers, took_s = await ask(behind_a_balancer, claims)

    check(answers, burst=ADDRESS_BURST, rate=ADDRESS_RATE, took_s=took_s)
    passed = [answer for answer in answers if answer.status_code == 200]
    arrived = {headers_of(answer.json())["x-forwarded-for"] for answer in passed}
    assert arrived == {"198.51.100.7"}


async def test_addresses_behind_a_balancer_each_have_their_own_limit(behind_a_balancer):
    claims = [{"X-Forwarded-For": f"2001:db8::{n}"} for n in range(250)]

    answers, _ = await ask(behind_a_balancer, claims)

    assert {answer.status_code for answer in answers} == {200}


async def test_one_address_has_so_many_requests_under_way_and_no_more(needs, api, tmp_path):
    few = {"limit_conn connections 256": "limit_conn connections 4"}
    site = Site(services=[api.port], changes=few)
    with running(needs("nginx"), tmp_path, site) as front:
        async with httpx.AsyncClient(base_url=front.url, timeout=20, verify=NO_TLS) as client:
            under_way = [asyncio.create_task(client.get(HANGS)) for _ in range(5)]
            done, waiting = await asyncio.wait(under_way, return_when="FIRST_COMPLETED")
            api.released.set()
            kept = await asyncio.gather(*waiting)

    assert [answer.result().status_code for answer in done] == [429]
    assert [answer.status_code for answer in kept] == [200] * 4


def test_the_mark_of_a_token_is_neither_logged_nor_passed_on(front, api):
    token = bearer(UUID(int=9).int)["Authorization"].removeprefix("Bearer ")
    with front.client(headers={"Authorization": f"Bearer {token}"}) as client:
        names = [f"marked-{number}" for number in range(60)]
        answers = [client.get(PATH, headers={"X-Request-ID": name}) for name in names]

    assert answers[-1].status_code == 429
    assert front.access(names[-1])["limit"] == "REJECTED"
    assert token.rpartition(".")[2][:20] not in front.logs()
