"""One run of Schemathesis against a service that is up."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct

from ugc_api.documentation import examples
from ugc_api.documentation.openapi import PUBLISHED
from ugc_api.paths import BEACON_TOKENS_PATH

HERE = Path(__file__).parent
SLOWEST_S = 25.0
"""An analyst's question may take 20 s; everything else ends long before."""


class Run(Struct, frozen=True, kw_only=True):
    """What came of a run.

    Attributes:
        code: Schemathesis's exit code: 0 without a finding.
        said: What it printed.
        report: What it counted and found.
    """

    code: int
    said: str
    report: dict[str, Any]

    @property
    def requests(self) -> int:
        """How many requests were made up."""
        found: int = self.report["test_cases"]["generated"]
        return found


def fuzz(origin: str, token: str, *, examples: int, seed: int | None = None) -> Run:
    """Run all phases with all checks; up to `examples` requests for each operation and phase.

    Args:
        origin: Scheme, host and port of the service.
        token: An access token that every operation takes.
        examples: Most requests for each operation and phase.
        seed: Draws the same requests again.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        ended = subprocess.run(
            _command(origin, report, examples=examples, seed=seed),
            cwd=HERE,
            env={
                **os.environ,
                "PYTHONPATH": paths,
                "UGC_FUZZ_TOKEN": token,
                "UGC_FUZZ_BEACON": _beacon(origin, token),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        counted = json.loads(report.read_text("utf-8")) if report.exists() else {}
    return Run(code=ended.returncode, said=ended.stdout, report=counted)


def _beacon(origin: str, token: str) -> str:
    """Return a token for beacons."""
    answer = httpx.post(
        origin + BEACON_TOKENS_PATH,
        json=examples.BEACON_TOKEN_REQUEST,
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["token"])


def _command(origin: str, report: Path, *, examples: int, seed: int | None) -> Sequence[str]:
    return [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml"),
        *("run", str(PUBLISHED), "--url", origin, "--checks", "all", "--no-color"),
        *("--max-examples", str(examples), "--max-response-time", str(SLOWEST_S)),
        *("--generation-database", "none", "--report", "json"),
        *("--report-json-path", str(report)),
        *(("--seed", str(seed)) if seed is not None else ()),
    ]
