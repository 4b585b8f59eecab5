"""One real warehouse for all tests of this folder; for each a database, or a log, of its own."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.integration.api_logs import made_log
from tests.integration.processes import ChdbServer
from tests.integration.verified_system import System
from tests.integration.verified_system import open_system as open_in
from ugc_core import warehouse_schema
from ugc_core.bootstrap import open_warehouse
from ugc_core.settings import LogSection, WarehouseSection
from ugc_core.urls import warehouse_target

OpenSystem = Callable[..., AbstractAsyncContextManager[System]]

_numbers = count(1)


@pytest.fixture(scope="session")
def chromium(needs: Callable[[str], str]) -> str:
    """The browser."""
    return needs("chromium")


@pytest.fixture
def log(tmp_path: Path) -> LogSection:
    """A log with its topics, where an `ApiProcess` of this folder finds it."""
    return asyncio.run(made_log(tmp_path))


@pytest.fixture(scope="session")
def warehouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a chdb-server that runs until the last test."""
    server = ChdbServer(tmp_path_factory.mktemp("warehouse") / "data")
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ChdbServer]:
    """A warehouse server for one test alone, running."""
    server = ChdbServer(tmp_path / "warehouse")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def empty_database(warehouse_server: int) -> Iterator[WarehouseSection]:
    """The settings of a warehouse whose database does not exist yet."""
    section = WarehouseSection(
        url=f"clickhouse://127.0.0.1:{warehouse_server}/test_{next(_numbers)}"
    )
    yield section
    asyncio.run(_execute(section, "DROP DATABASE IF EXISTS {database}"))


@pytest.fixture
def bare_database(empty_database: WarehouseSection) -> WarehouseSection:
    """The settings of a warehouse whose database has no table."""
    asyncio.run(_execute(empty_database, "CREATE DATABASE {database}"))
    return empty_database


@pytest.fixture
def fresh_database(empty_database: WarehouseSection) -> WarehouseSection:
    """The settings of a warehouse with all tables and no rows."""
    asyncio.run(make_tables(empty_database))
    return empty_database


@pytest.fixture
def open_system(fresh_database: WarehouseSection, tmp_path: Path) -> OpenSystem:
    """Opens a system in one process on a log and a warehouse of the test's own."""
    return partial(open_in, fresh_database, tmp_path)


async def make_tables(section: WarehouseSection) -> None:
    """Apply every migration."""
    target = warehouse_target(section.url)
    async with open_warehouse(section, database="default") as warehouse:
        todo = await warehouse_schema.pending(warehouse, target)
        await warehouse_schema.apply(warehouse, target, todo, views_ttl_days=section.views_ttl_days)


async def _execute(section: WarehouseSection, sql: str) -> None:
    database = warehouse_target(section.url).database
    async with open_warehouse(section, database="default") as warehouse:
        await warehouse.execute(sql.format(database=database))
