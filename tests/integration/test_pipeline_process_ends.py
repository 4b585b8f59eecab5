"""The pipeline as a process, killed or told to stop: nothing is lost, nothing counted twice.

The oracle compares sets of ids, never counts: what the log acknowledged is in the warehouse or
among the dead letters, and nothing else is. Then it compares every number with `recount`.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest

from tests.integration.pipeline_system import DEADLINE_S, System, reached, ready_system
from ugc_core import exits
from ugc_core.bootstrap import open_log_consumer, open_warehouse
from ugc_core.clock import SystemClock
from ugc_core.settings import WarehouseSection


@pytest.fixture
def system(tmp_path: Path, fresh_database: WarehouseSection) -> Iterator[System]:
    yield from ready_system(tmp_path, fresh_database)


# --- kill


@pytest.mark.parametrize("tokens", [True, False], ids=["with tokens", "without tokens"])
async def test_whenever_it_is_killed_nothing_is_lost_and_nothing_counted_twice(system, tokens):
    if not tokens:
        await forget_tokens(system)
    chance = random.Random(20260101 + tokens)
    interrupted = 0
    for _ in range(4):
        before = await system.progress()
        await system.append(120, bad=2)
        system.etl.start()
        await system.until(some_progress(system, chance, before))
        system.etl.kill()
        interrupted += not await system.caught_up()
    assert interrupted

    system.etl.start()
    await system.until(system.caught_up)
    assert system.etl.stop() == exits.OK
    await system.check()


async def forget_tokens(system: System) -> None:
    """Let the warehouse take a repeated batch for a new one: the identity has to do alone."""
    setting = "non_replicated_deduplication_window = 0"
    async with open_warehouse(system.warehouse) as warehouse:
        for table in ("views_raw", "playback", "resume_points", "ingested"):
            await warehouse.execute(f"ALTER TABLE {table} MODIFY SETTING {setting}")


def some_progress(
    system: System, chance: random.Random, before: int
) -> Callable[[], Awaitable[bool]]:
    """Return a condition that begins to hold at some place within some batch."""
    table = chance.choice(["views_raw", "ingested", ""])
    goal = chance.randint(1, 80)

    async def holds() -> bool:
        if table == "ingested":
            return await system.count("ingested") >= before // 8 + goal // 8 + 1
        if table:
            return await system.count("views_raw") >= before + goal
        return await system.progress() >= before + goal

    async def holds_or_done() -> bool:
        return await holds() or await system.caught_up()

    return holds_or_done


# --- stop


async def test_told_to_stop_it_ends_well_and_the_next_start_finds_the_rest(system):
    await system.append(100, bad=1)
    system.etl.start()
    await system.until(lambda: reached(system, 30))

    assert system.etl.stop() == exits.OK

    await system.append(50)
    system.etl.start()
    await system.until(system.caught_up)
    assert system.etl.stop() == exits.OK
    await system.check()


async def test_told_to_stop_it_delivers_what_it_has_read(tmp_path, fresh_database):
    patient = System(
        folder=tmp_path,
        warehouse=fresh_database,
        settings={
            "UGC_ETL__MAX_ROWS": "1000",
            "UGC_ETL__MAX_AGE_S": "1000",
            "UGC_ETL__METRICS_PORT": str(free_port()),
        },
    )
    await patient.make_topics()
    await patient.append(40)
    patient.etl.start()
    try:
        size = sum(len(line) for line in await lines(patient))
        await patient.until(lambda: metric(patient, "ugc_etl_buffered_bytes", size))
        assert await patient.progress() == 0
    finally:
        code = patient.etl.stop()

    assert code == exits.OK
    assert await patient.caught_up()
    await patient.check()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def lines(system: System) -> list[bytes]:
    """Return the values of all records, read as another group."""
    section = msgspec.structs.replace(system.log, group="test")
    async with open_log_consumer(section, clock=SystemClock()) as consumer:
        polled = await consumer.poll(max_records=1000, timeout_s=0)
    return [record.value for records in polled.values() for record in records]


async def metric(system: System, name: str, value: float) -> bool:
    """Say whether the service shows a metric with a value."""
    port = system.settings["UGC_ETL__METRICS_PORT"]
    text = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics")
    return f"\n{name} {float(value)}\n" in text


def fetch(url: str) -> str:
    with urlopen(url, timeout=DEADLINE_S) as answer:  # noqa: S310 - an address of our own
        return bytes(answer.read()).decode()
