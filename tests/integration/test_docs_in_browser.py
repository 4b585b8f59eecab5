"""The documentation in a real browser: it draws every operation, and asks nobody else."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api_processes import ApiProcess
from ugc_api.documentation.openapi import document
from ugc_core.settings import LogSection

PASSWORD = "open-sesame"
QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions"),
    *("--disable-dev-shm-usage", "--virtual-time-budget=60000"),
)


@pytest.fixture
def service(tmp_path: Path, log: LogSection) -> Iterator[ApiProcess]:
    (tmp_path / "password").write_text(PASSWORD)
    with ApiProcess(tmp_path, UGC_API__DOCS_PASSWORD_FILE="password").running() as running:
        yield running


def requests_of(net_log: Path, origin: str) -> set[str]:
    """Return the addresses that pages of this origin have asked for."""
    events: list[dict[str, Any]] = json.loads(net_log.read_text("utf-8"))["events"]
    asked = [event.get("params", {}) for event in events]
    return {found["url"] for found in asked if "url" in found and found.get("initiator") == origin}


@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_a_page_draws_every_operation_and_asks_this_service_alone(
    service, chromium, tmp_path, page
):
    address = service.url.removeprefix("http://")
    net_log = tmp_path / "net-log.json"
    shown = subprocess.run(
        [
            *(chromium, *QUIET, f"--user-data-dir={tmp_path / 'profile'}"),
            *(f"--log-net-log={net_log}", "--dump-dom"),
            f"http://docs:{PASSWORD}@{address}/api/{page}",
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout

    for item in document()["paths"].values():
        for operation in item.values():
            assert operation["summary"] in shown.replace("&#39;", "'"), operation["operationId"]
    asked = requests_of(net_log, service.url)
    assert f"{service.url}/api/openapi.json" in asked
    assert {url for url in asked if not url.startswith((service.url, "data:", "blob:"))} == set()
