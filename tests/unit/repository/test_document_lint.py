"""Both published documents pass the linter that others judge such documents by."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.requirements import lacking
from ugc_api.documentation import openapi
from ugc_core.schemas import PUBLISHED

LINTER = "@redocly/cli@2.77.0"
CONFIG = Path(__file__).with_name("redocly.yaml")
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def lint(npx: str, *documents: Path) -> subprocess.CompletedProcess[str]:
    command = [npx, "--yes", "--ignore-scripts", LINTER, "lint", "--config", str(CONFIG)]
    return subprocess.run(
        [*command, *map(str, documents)],
        env=os.environ | QUIET,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(scope="module")
def npx(needs) -> str:
    """The runner of npm's programs, once it has brought the linter."""
    found: str = needs("npx")
    command = [found, "--yes", "--ignore-scripts", LINTER, "--version"]
    asked = subprocess.run(
        command, env=os.environ | QUIET, capture_output=True, text=True, timeout=110, check=False
    )
    if asked.returncode:
        reason = f"the npm registry does not give {LINTER}: {asked.stderr.strip()[-300:]}"
        lacking("index", reason)
    return found


def test_the_published_documents_have_no_finding(npx):
    linted = lint(npx, openapi.PUBLISHED, PUBLISHED / "asyncapi.json")

    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_linter_finds_what_is_wrong(npx, tmp_path):
    wrong = tmp_path / "openapi.json"
    text = openapi.PUBLISHED.read_text("utf-8").replace('"operationId": "getAudience",', "")
    wrong.write_text(text, "utf-8")

    linted = lint(npx, wrong)

    assert linted.returncode == 1
    assert "operation-operationId" in linted.stdout + linted.stderr
