"""From POST to the resume point by GET, with default settings; and each process's memory.

One viewer after the other reports a new playhead and asks for the resume point until it is
the one reported. Beside them other viewers report at a steady rate. Baseline, in the same
invocation: the same report inserted into the warehouse directly and selected back, which
is what the storage alone costs.
"""

import asyncio
import time
from uuid import UUID

import httpx
from harness.results import spread, write
from harness.system import System, running_system

from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.bootstrap import open_warehouse
from ugc_core.codec import encode_event
from ugc_core.urls import warehouse_target
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.rows import Rows, Source

SAMPLES = 200
LIMIT_S = 30
BACKGROUND_PER_S = 50
FILM = UUID(int=1)
NOT_FOUND = 404


async def one_sample(client: httpx.AsyncClient, system: System, number: int) -> float:
    """Return the seconds until the reported playhead is the resume point."""
    headers = {"Authorization": f"Bearer {system.token(UUID(int=1000 + number))}"}
    url = f"progresses/films/{FILM}/"
    playhead = 10 + number
    began = time.perf_counter()
    answer = await client.post(url, json={"progress": playhead, "total": 5400}, headers=headers)
    answer.raise_for_status()
    async with asyncio.timeout(LIMIT_S):
        while True:
            found = await client.get(url, headers=headers)
            if found.status_code != NOT_FOUND and found.json()["progress"] == playhead:
                return time.perf_counter() - began


async def background(client: httpx.AsyncClient, system: System) -> None:
    """Report at a steady rate until cancelled."""
    headers = {"Authorization": f"Bearer {system.token(UUID(int=7))}"}
    playhead = 0
    while True:
        playhead = (playhead + 10) % 5400
        body = {"progress": playhead, "total": 5400}
        await client.post(f"progresses/films/{FILM}/", json=body, headers=headers)
        await asyncio.sleep(1 / BACKGROUND_PER_S)


async def baseline(system: System) -> list[float]:
    """Return the seconds of a direct insert and select, one report each."""
    target = warehouse_target(system.warehouse.url)
    taken = []
    async with open_warehouse(system.warehouse) as warehouse:
        store = ClickHouseStore(warehouse, target)
        for number in range(SAMPLES // 4):
            report = parse_report(b'{"progress": 10, "total": 5400}')
            viewer = Viewer(user_id=UUID(int=9000 + number))
            now_ms = time.time_ns() // 1_000_000
            event = accept(report, viewer, film_id=FILM, received_ms=now_ms, window=Window())
            rows = Rows(0, [event], [Source(0, 0, encode_event(event))])
            began = time.perf_counter()
            await store.insert(rows, token=str(event.event_id))
            await warehouse.read(
                "SELECT argMaxMerge(point) FROM resume_points WHERE user_id = {user:UUID}",
                {"user": viewer.user_id},
            )
            taken.append(time.perf_counter() - began)
    return taken


async def measure(system: System) -> dict[str, object]:
    """Take the samples, with other traffic beside them."""
    idle = system.resident_mib()
    async with httpx.AsyncClient(base_url=system.api, timeout=30) as client:
        noise = asyncio.create_task(background(client, system))
        samples = [await one_sample(client, system, number) for number in range(SAMPLES)]
        noise.cancel()
        await asyncio.wait({noise})
    floor = await baseline(system)
    return {
        "samples": SAMPLES,
        "background_reports_per_s": BACKGROUND_PER_S,
        "post_to_resume_point": spread(samples),
        "baseline": "the same report inserted and selected directly in the warehouse",
        "baseline_time": spread(floor),
        "resident_mib_idle": idle,
        "resident_mib_after": system.resident_mib(),
    }


def main() -> None:
    """Measure on a system of its own."""
    with running_system() as system:
        figures = asyncio.run(measure(system))
    print(write("freshness", figures).read_text("utf-8"))


if __name__ == "__main__":
    main()
