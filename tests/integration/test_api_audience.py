"""Films' audiences over HTTP from a real warehouse, against the brute-force oracle."""

import random
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from oracle import metrics as oracle

from tests.integration.served_api import bearer, serving
from tests.integration.test_metrics_engine import (
    FIRST_DAY,
    World,
    day_of,
    insert,
    many_reports,
)
from ugc_core.bootstrap import open_warehouse
from ugc_core.events import Event
from ugc_core.settings import WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_etl.adapters.clickhouse_store import ClickHouseStore

ANALYST = UUID(int=900)


async def fill(section: WarehouseSection, events: Sequence[Event]) -> None:
    async with open_warehouse(section) as warehouse:
        store = ClickHouseStore(warehouse, warehouse_target(section.url))
        await insert(store, events, str(events[0].event_id))


async def ask(client: httpx.AsyncClient, film_id: UUID, route: str = "", **query: str) -> Any:
    path = f"/api/v1/films/{film_id}/audience{route}"
    answer = await client.get(path, params=query, headers=bearer(ANALYST, roles=["analyst"]))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def world() -> World:
    return World.fresh(films=3, users=4)


@pytest.mark.parametrize("days", [range(0), range(FIRST_DAY - 7, FIRST_DAY + 1)])
async def test_every_number_and_every_bucket_is_the_oracles(fresh_database, tmp_path, world, days):
    events = [*many_reports(world, 600, random.Random(3))]
    await fill(fresh_database, events)
    asked = {"since": str(day_of(days[0])), "until": str(day_of(days[-1]))} if days else {}
    bounds = {"since_day": days[0], "until_day": days[-1]} if days else {}

    async with serving(fresh_database, tmp_path) as client:
        for film_id in world.films:
            own = [event for event in events if event.film_id == film_id]
            numbers = await ask(client, film_id, **asked)
            curve = await ask(client, film_id, "/retention", bucket_s="60", **asked)
            want = oracle.film_metrics(own, 60, **bounds)

            names = ("length_s", "reach", "plays", "watch_time_s", "unique_s", "completed")
            for name in (*names, "rewatched_s"):
                assert numbers[name] == getattr(want, name), name
            assert numbers["completion_share"] == round(want.completed / want.reach, 6)
            assert numbers["average_view_s"] == round(want.watch_time_s / want.plays, 3)
            assert [
                oracle.Bucket(b["viewers"], b["plays"], b["starts"], b["stops"])
                for b in curve["buckets"]
            ] == want.curve
            assert (curve["length_s"], curve["reach"]) == (want.length_s, want.reach)


async def test_a_curve_of_seconds_is_the_oracles(fresh_database, tmp_path, world):
    events = [*many_reports(world, 200, random.Random(4))]
    await fill(fresh_database, events)
    film_id = world.films[0]
    want = oracle.film_metrics([e for e in events if e.film_id == film_id], 1)

    async with serving(fresh_database, tmp_path) as client:
        curve = await ask(client, film_id, "/retention", bucket_s="1")
        usual = await ask(client, film_id, "/retention")

    assert [bucket["viewers"] for bucket in curve["buckets"]] == [b.viewers for b in want.curve]
    assert 0 < len(usual["buckets"]) <= 300


async def test_viewers_now_are_the_oracles(fresh_database, tmp_path, world):
    now_ms = time.time_ns() // 1_000_000
    events = [
        msgspec.structs.replace(event, viewed_at=now_ms - back_s * 1000, clock_offset_ms=0)
        for event, back_s in zip(
            many_reports(world, 40, random.Random(5)), [1, 5, 600, 3600] * 10, strict=True
        )
    ]
    await fill(fresh_database, events)

    async with serving(fresh_database, tmp_path) as client:
        for film_id in world.films:
            own = [event for event in events if event.film_id == film_id]
            found = await ask(client, film_id, "/live")
            assert found["viewers"] == oracle.live_viewers(own, now_ms + 1000)


async def test_a_film_that_nobody_reported_has_an_empty_audience(fresh_database, tmp_path):
    async with serving(fresh_database, tmp_path) as client:
        film_id = UUID(int=4711 << 64)
        numbers = await ask(client, film_id)
        curve = await ask(client, film_id, "/retention")
        live = await ask(client, film_id, "/live")

    assert (numbers["reach"], numbers["completion_share"], numbers["length_s"]) == (0, 0, 0)
    assert (curve["buckets"], live["viewers"]) == ([], 0)


async def test_a_warehouse_without_tables_is_503(bare_database, tmp_path):
    async with serving(bare_database, tmp_path) as client:
        path = f"/api/v1/films/{UUID(int=1 << 64)}/audience"
        answer = await client.get(path, headers=bearer(ANALYST, roles=["analyst"]))

    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/warehouse-unavailable"
