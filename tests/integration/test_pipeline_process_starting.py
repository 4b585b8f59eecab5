"""The pipeline as a process that waits for what it needs, or says why it does not start."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.conftest import make_tables
from tests.integration.pipeline_system import DEADLINE_S, System, ready_system, said
from tests.integration.processes import Etl
from ugc_core import exits
from ugc_core.bootstrap import open_warehouse
from ugc_core.settings import WarehouseSection


@pytest.fixture
def system(tmp_path: Path, fresh_database: WarehouseSection) -> Iterator[System]:
    yield from ready_system(tmp_path, fresh_database)


@asynccontextmanager
async def waiting_to_start(system: System) -> AsyncIterator[Awaitable[str]]:
    """Start a pipeline that has to wait, and says for what; the block gives it that."""
    starting = asyncio.create_task(asyncio.to_thread(system.etl.start))
    try:
        await system.until(lambda: said(system, "ugc init"))
        assert not starting.done()
        yield starting
        await system.until(system.caught_up)
    finally:
        system.etl.kill()
        await asyncio.wait({starting})


async def test_started_before_the_tables_are_there_it_waits_for_them(tmp_path, bare_database):
    system = System(folder=tmp_path, warehouse=bare_database)
    await system.make_topics()
    await system.append(5)
    async with waiting_to_start(system) as started:
        await make_tables(bare_database)
        await started

    await system.check()


async def test_started_before_the_topics_are_there_it_waits_for_them(tmp_path, fresh_database):
    system = System(folder=tmp_path, warehouse=fresh_database)
    async with waiting_to_start(system) as started:
        await system.make_topics()
        await started
        await system.append(5)

    await system.check()


async def test_told_to_stop_while_it_waits_to_start_it_ends_at_once(tmp_path, bare_database):
    system = System(folder=tmp_path, warehouse=bare_database)
    await system.make_topics()
    starting = asyncio.create_task(asyncio.to_thread(system.etl.start))
    await system.until(lambda: said(system, "trying_again"))

    assert system.etl.stop() == exits.OK
    await asyncio.wait({starting})
    assert starting.exception()  # it never said that it is ready


async def run_to_its_end(system: System, **settings: str) -> int:
    """Run a pipeline that ends by itself; return its exit code."""
    other = Etl(system.settings | settings, errors=system.folder / "other.stderr")
    process = await asyncio.create_subprocess_exec(
        *other.command,
        env=other.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            _, text = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    (system.folder / "other.stderr").write_bytes(text)
    return process.returncode or 0


def last_words(system: System) -> str:
    return (system.folder / "other.stderr").read_text("utf-8").strip().split("\n")[-1]


async def test_a_second_pipeline_of_one_group_says_that_the_log_is_in_use(system):
    system.etl.start()

    assert await run_to_its_end(system) == exits.BAD_CONFIGURATION
    assert "in use by another process" in last_words(system)


async def test_an_unknown_setting_stops_the_start(system):
    assert await run_to_its_end(system, UGC_ETL__MAX_ROW="5") == exits.BAD_CONFIGURATION
    assert "max_row" in last_words(system).lower()


async def test_a_metrics_port_that_is_taken_stops_the_start(system):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        assert await run_to_its_end(system, UGC_ETL__METRICS_PORT=port) == exits.BAD_CONFIGURATION
        assert "UGC_ETL__METRICS_PORT" in last_words(system)


async def test_a_poisoned_log_stops_it_loudly_with_nothing_committed(system):
    await system.append(0, bad=60)

    assert await run_to_its_end(system, UGC_ETL__MAX_BAD_IN_A_ROW="3") == exits.FAILURE
    assert "UGC_ETL__MAX_BAD_IN_A_ROW" in last_words(system)
    assert await system.progress() == 0


async def test_a_table_that_refuses_everything_stops_it_and_mended_it_takes_all(system):
    """Changed by hand: no report can be stored, and none may be set aside for that."""
    async with open_warehouse(system.warehouse) as warehouse:
        await warehouse.execute("ALTER TABLE views_raw ADD CONSTRAINT none CHECK progress_ms < 0")
    await system.append(60)

    assert await run_to_its_end(system, UGC_ETL__MAX_BAD_IN_A_ROW="5") == exits.FAILURE
    assert "ugc init --plan" in last_words(system)
    assert await system.progress() == 0
    assert await system.letters() == []

    async with open_warehouse(system.warehouse) as warehouse:
        await warehouse.execute("ALTER TABLE views_raw DROP CONSTRAINT none")
    system.etl.start()
    await system.until(system.caught_up)
    await system.check()
