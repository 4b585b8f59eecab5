"""How much may be under way at once, by itself and through the application."""

import asyncio
import resource

import pytest

from ugc_api.limiting import open_files
from ugc_api.limiting.admission import Admission, BodyBytes
from ugc_core.api_settings import ApiSection, LimitsSection


def test_so_many_come_in_and_one_more_when_one_has_left():
    admission = Admission(2)

    assert [admission.enter() for _ in range(3)] == [True, True, False]
    admission.leave()
    assert [admission.enter() for _ in range(2)] == [True, False]


def test_so_many_bytes_are_held_and_more_when_some_are_released():
    bodies = BodyBytes(10)

    assert bodies.hold(6)
    assert not bodies.hold(5)
    assert bodies.hold(4)
    bodies.release(6)
    assert bodies.hold(6)


REPORT = {"progress": 1, "total": 2}


async def test_one_request_too_many_is_refused_and_places_become_free(make_api, gated_log):
    gates = []

    def gated(log):
        gates.append(gated_log(log))
        return gates[0]

    api = make_api(writer=gated, limits=LimitsSection(max_in_flight=1))
    first = asyncio.create_task(api.report(REPORT))
    await gates[0].reached.wait()

    refused = await api.report(REPORT)
    probe = await api.client.get("/livez")
    gates[0].gate.set()
    answers = [await first, *[await api.report(REPORT) for _ in range(3)]]

    assert refused.status_code == 503
    assert refused.json()["type"] == "/problems/overloaded"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-request-id"]
    assert probe.status_code == 200
    assert [answer.status_code for answer in answers] == [202] * 4
    assert api.metric("ugc_api_shed_total", reason="overloaded") == 1


async def test_refused_requests_give_their_places_back(make_api):
    api = make_api(limits=LimitsSection(max_in_flight=1))

    for _ in range(3):
        assert (await api.report(b"{")).status_code == 400
        assert (await api.client.get("/api/nothing")).status_code == 404
    assert (await api.report(REPORT)).status_code == 202


async def test_a_batch_pays_for_each_of_its_reports(make_api):
    limits = LimitsSection(user_reports_per_s=1, user_burst=5)
    api = make_api(limits=limits)
    item = REPORT | {"film_id": str(api.film)}

    answers = [await api.report([item] * 3, api.many) for _ in range(2)]
    api.clock._now += 1
    answers.append(await api.report([item] * 3, api.many))

    assert [answer.status_code for answer in answers] == [202, 429, 202]
    assert answers[1].json()["type"] == "/problems/rate-limited"
    assert answers[1].headers["retry-after"] == "1"
    assert answers[1].headers["ratelimit-policy"] == '"user";q=5;w=5'
    assert answers[1].headers["ratelimit"] == '"user";r=2;t=1'
    assert len(api.kept()) == 6


async def test_another_user_is_not_held_up(make_api):
    api = make_api(limits=LimitsSection(user_reports_per_s=1, user_burst=1))

    answers = [
        await api.report(REPORT),
        await api.report(REPORT),
        await api.report(REPORT, sub="6f2c1a52-9d4e-4a1b-8f3c-2b7d9e0a4c11"),
    ]

    assert [answer.status_code for answer in answers] == [202, 429, 202]


async def test_reads_pay_by_address_whoever_is_asking(make_api):
    limits = LimitsSection(address_requests_per_s=0.1, address_burst=2, trusted_proxies=())
    api = make_api(limits=limits, settings=ApiSection())

    answers = [
        await api.get(api.one),
        await api.client.get(api.one),
        await api.get(api.one),
        await api.report(REPORT),
        await api.client.get("/livez"),
    ]

    assert [answer.status_code for answer in answers] == [404, 401, 429, 429, 200]
    assert answers[2].headers["ratelimit-policy"] == '"address";q=2;w=20'


async def test_behind_a_trusted_proxy_each_client_pays_for_itself(make_api):
    api = make_api(limits=LimitsSection(address_requests_per_s=0.1, address_burst=1))

    statuses = [
        (await api.client.get(api.one, headers={"X-Forwarded-For": hops})).status_code
        for hops in ("198.51.100.7", "invented, 198.51.100.7", "198.51.100.8")
    ]

    assert statuses == [401, 429, 401]


@pytest.mark.parametrize(
    ("soft", "hard", "most", "room", "raised"),
    [
        (1024, 100_000, 8192, 8192, 8448),
        (1024, 4096, 8192, 3840, 4096),
        (1024, 1024, 8192, 768, None),
        (100_000, 100_000, 3, 3, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 8192, 8192, None),
        (1024, resource.RLIM_INFINITY, 8192, 8192, 8448),
    ],
)
def test_connections_leave_files_for_the_log(monkeypatch, soft, hard, most, room, raised):
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[0])
    monkeypatch.setattr(resource, "setrlimit", lambda _, found: limits.append(found))

    assert open_files.room_for_connections(most) == room
    assert [limit for limit in limits[1:] if limit != (soft, hard)] == (
        [(raised, hard)] if raised else []
    )
