"""The system of compose.yaml, seen from its own network: `docker compose --profile test run sut`.

What only a current ClickHouse cluster can show is shown here: Replicated tables behind
Distributed ones, tokens and materialized views together, over the product's own SQL.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.requirements import lacking
from ugc_core.bootstrap import open_warehouse
from ugc_core.environment import environment
from ugc_core.settings import Settings
from ugc_core.sources import load
from ugc_core.warehouse import Answer

URL = os.environ.get("SUT_URL", "")
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The settings that the composed services have."""
    if not URL:
        start = "docker compose --profile test run --rm --build sut"
        lacking("compose", f"needs the composed system: {start}")
    return load(environment()).settings


@pytest.fixture(scope="session")
def loaded(settings: Settings) -> dict[str, Any]:
    """Some viewers' evening through nginx, all of it stored."""
    words = ("--users", "50", "--rate", "100", "--duration", "15s", "--wait", "60", "--yes")
    code, out = ugc("load-test", URL, *words, "--json")
    assert code == 0, out
    found: dict[str, Any] = json.loads(out)
    return found


def ugc(*words: str) -> tuple[int, str]:
    done = subprocess.run(["ugc", *words], capture_output=True, text=True, timeout=240, check=False)
    return done.returncode, done.stdout or done.stderr


def ask(settings: Settings, sql: str) -> Answer:
    async def read() -> Answer:
        async with open_warehouse(settings.warehouse) as warehouse:
            return await warehouse.read(sql)

    return asyncio.run(read())


def ask_each(settings: Settings, sql: str) -> Mapping[str, Any]:
    async def read() -> Mapping[str, Any]:
        async with open_warehouse(settings.warehouse) as warehouse:
            return await warehouse.read_each(sql)

    return asyncio.run(read())


def test_every_accepted_report_arrives(loaded):
    accepted = loaded["reports"]["accepted"]

    assert accepted > 1000
    assert loaded["arrival"]["arrived"] == accepted
    assert loaded["errors"] == 0


def test_the_log_and_the_warehouse_agree_report_by_report(loaded):
    code, out = ugc("verify", "--deep", "--wait", "60")

    assert code == 0, out


def test_both_replicas_of_a_shard_hold_the_same_rows_and_the_shards_share_them(settings, loaded):
    counts = ask_each(settings, "SELECT count() FROM views_raw_local FINAL")

    rows = {node.split(":")[0]: answer.rows[0][0] for node, answer in counts.items()}
    assert rows["clickhouse-1"] == rows["clickhouse-2"] > 0
    assert rows["clickhouse-3"] == rows["clickhouse-4"] > 0
    (total,) = ask(settings, "SELECT count() FROM views").rows[0]
    assert rows["clickhouse-1"] + rows["clickhouse-3"] == total


def test_setting_it_up_again_has_nothing_to_do(settings):
    code, out = ugc("init", "--json")

    assert code == 0, out
    assert json.loads(out)["steps"] == []


def test_only_the_api_is_reachable_from_outside(settings):
    with httpx.Client(base_url=URL) as client:
        assert client.get("/metrics").status_code == 404
        assert client.get("/api/docs").status_code == 401
        assert client.get("/readyz").status_code == 404
        assert client.post("/api/v1/progresses/", json=[]).status_code == 401
