"""nginx in front of a real `ugc-api` under load: every 202 is in the log, and 429 means nothing."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import httpx
import pytest

from tests.infra.kept_reports import kept
from tests.infra.nginx_process import NO_TLS, Front, Site, running
from tests.integration.api_logs import made_log
from tests.integration.api_processes import MANY, ONE, ApiProcess, bearer, report
from ugc_core.settings import LogSection

PLAYERS = 40
REPORTS = 15
BALANCER = "set_real_ip_from 127.0.0.1;"
TOKEN_BURST = 40


@pytest.fixture
def log(tmp_path) -> LogSection:
    return asyncio.run(made_log(tmp_path))


@pytest.fixture
def service(log, tmp_path) -> Iterator[ApiProcess]:
    with ApiProcess(tmp_path).running() as process:
        yield process


@pytest.fixture
def front(needs, service, tmp_path) -> Iterator[Front]:
    """As many workers as there are cores, and each player behind an address of their own."""
    site = Site(
        services=[int(service.url.rpartition(":")[2])],
        files={"trusted-proxies.conf": BALANCER},
        changes={"worker_processes auto": "worker_processes 2"},
    )
    folder = tmp_path / "nginx"
    folder.mkdir()
    with running(needs("nginx"), folder, site) as front:
        yield front


def player(front: Front, number: int) -> httpx.AsyncClient:
    """Return somebody with a token, an address and a connection that stays open."""
    headers = {**bearer(number), "X-Forwarded-For": f"198.51.100.{number}"}
    return httpx.AsyncClient(base_url=front.url, headers=headers, timeout=30, verify=NO_TLS)


def ids(answers: list[httpx.Response]) -> list[UUID]:
    """Return the event ids of the reports that were acknowledged."""
    found = []
    for answer in answers:
        if answer.status_code == 202:
            items = answer.json().get("items", [answer.json()])
            found += [UUID(item["event_id"]) for item in items]
    return found


async def test_every_acknowledged_report_of_many_players_is_in_the_log_once(front, log):
    async def watch(number: int) -> list[httpx.Response]:
        async with player(front, number) as client:
            answers = [await client.post(ONE, json=report()) for _ in range(REPORTS)]
            film = ONE.split("/")[-2]
            batch = [{"film_id": film, **report()} for _ in range(20)]
            return [*answers, await client.post(MANY, json=batch)]

    told = await asyncio.gather(*(watch(number) for number in range(1, PLAYERS + 1)))

    answers = [answer for some in told for answer in some]
    assert Counter(answer.status_code for answer in answers) == {202: PLAYERS * (REPORTS + 1)}
    found = await kept(log)
    assert len(found) == PLAYERS * (REPORTS + 20)
    assert sorted(found) == sorted(ids(answers))


async def test_a_player_over_the_limit_is_refused_and_nobody_else(front, log):
    async with player(front, 1) as greedy, player(front, 2) as modest:
        many = (greedy.post(ONE, json=report()) for _ in range(150))
        some = (modest.post(ONE, json=report()) for _ in range(20))
        answers = await asyncio.gather(*many, *some)

    refused = [answer for answer in answers[:150] if answer.status_code == 429]
    assert 0 < len(refused) <= 150 - TOKEN_BURST
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.status_code for answer in answers[:150]} == {202, 429}
    assert {answer.status_code for answer in answers[150:]} == {202}
    assert sorted(await kept(log)) == sorted(ids(answers))


async def test_a_service_that_is_killed_under_load_costs_no_acknowledged_report(
    front, log, service
):
    answers: list[httpx.Response] = []

    async def watch(number: int) -> None:
        async with player(front, number) as client:
            for _ in range(30):
                answers.append(await client.post(ONE, json=report()))
                if len(answers) == 100:
                    service.process.kill()

    await asyncio.gather(*(watch(number) for number in range(1, 21)))

    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) == {202, 502}
    assert statuses[202] >= 100
    assert all(answer.json()["status"] == 502 for answer in answers if answer.status_code == 502)
    found = await kept(log)
    assert len(set(found)) == len(found)
    assert set(ids(answers)) <= set(found)


async def test_a_batch_in_pieces_arrives_whole(front, log):
    film = ONE.split("/")[-2]
    lines = [json.dumps({"film_id": film, **report()}).encode() for _ in range(3)]
    body = b"\n".join(lines)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10):
            yield body[start : start + 10]

    async with player(front, 1) as client:
        kind = {"Content-Type": "application/x-ndjson"}
        answer = await client.post(MANY, content=pieces(), headers=kind)

    assert len(ids([answer])) == 3
    assert sorted(await kept(log)) == sorted(ids([answer]))


async def test_what_the_service_refuses_passes_as_it_says_it(front, service):
    async with player(front, 1) as client:
        for path in ("/api/v1/nothing/", "/api/docs", "/problems/", "/problems/log-busy"):
            through = await client.get(path)
            straight = await client.get(f"{service.url}{path}")
            assert through.status_code == straight.status_code
            assert through.content == straight.content
            for name in ("content-type", "content-security-policy", "www-authenticate", "allow"):
                said = straight.headers.get(name)
                assert said is None or through.headers.get_list(name) == [said]
