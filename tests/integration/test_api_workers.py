"""`uvicorn --workers`: each worker tells Prometheus what all of them have counted."""

import asyncio
import os
import re
import signal
import sys
from collections import Counter

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.api_processes import (
    ONE,
    PATIENCE_S,
    ApiProcess,
    answers,
    bearer,
    free_port,
    report,
)

SCRAPES = 12
UUID_LIKE = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}", re.IGNORECASE)


@pytest.fixture
def service(tmp_path, log):
    """Three workers of one uvicorn."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "ugc_api.asgi:app", "--port", str(port)]
    process = ApiProcess(tmp_path)
    with process.running([*command, "--workers", "3"], port):
        yield process
        workers = psutil.Process(process.process.pid).children()
        process.process.send_signal(signal.SIGTERM)
        process.end()
        psutil.wait_procs(workers, timeout=PATIENCE_S)


async def scrape(service: ApiProcess) -> dict[tuple[str, tuple[str, ...]], float]:
    """Scrape on a new connection, so that any worker may answer."""
    async with httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_S) as client:
        text = (await client.get("/metrics")).text
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def accepted(service: ApiProcess) -> set[float]:
    """What each of several scrapes shows."""
    found = [await scrape(service) for _ in range(SCRAPES)]
    return {counts["ugc_api_events_total", ("accepted", "")] for counts in found}


async def send(service: ApiProcess, count: int) -> None:
    """Report on connections of their own, so that all workers get some."""

    async def one() -> int:
        async with httpx.AsyncClient(base_url=service.url, timeout=PATIENCE_S) as client:
            return (await client.post(ONE, json=report(), headers=bearer())).status_code

    assert Counter(await asyncio.gather(*(one() for _ in range(count)))) == {202: count}


async def workers(service: ApiProcess) -> set[int]:
    """The workers, once there are three."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            counts = await scrape(service)
            found = {int(key[1][0]) for key in counts if key[0] == "process_open_fds"}
            if counts.get(("ugc_api_workers", ())) == len(found) == 3:
                return found


async def test_every_scrape_shows_the_reports_of_all_workers_also_of_a_killed_one(service):
    await answers(service)
    before = await workers(service)
    await send(service, 30)
    assert await accepted(service) == {30}

    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        while killed in (after := await workers(service)):
            pass
    assert len(after - before) == 1  # uvicorn has started another one

    assert await accepted(service) == {30}
    await send(service, 30)
    assert await accepted(service) == {60}
    assert not [key for key in await scrape(service) if UUID_LIKE.search(str(key))]
