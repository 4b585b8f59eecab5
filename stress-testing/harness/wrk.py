"""wrk, a load generator in C: every connection sends its next request after the last answer."""

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.cores import on_core

SCRIPT = Path(__file__).with_name("wrk.lua")
_PATIENCE_S = 60.0
"""How long it may take beyond its time, in seconds."""


class NoWrkError(Exception):
    """wrk is not installed, or did not do what it was asked."""


class Run(Struct, frozen=True, kw_only=True):
    """What one run of it says.

    Attributes:
        requests: Requests that were answered.
        seconds: How long it sent.
        refused: Answers with a status of 400 or more.
        broken: Connections that failed to open, to be read or to be written.
        timeouts: Answers that took more than its own two seconds.
        p50_ms: How long an answer took: half of them no longer than that.
        p99_ms: 99 of 100.
        p999_ms: 999 of 1,000.
        max_ms: All.
    """

    requests: int
    seconds: float
    refused: int
    broken: int
    timeouts: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float

    @property
    def accepted(self) -> int:
        """Answers that were no refusals."""
        return self.requests - self.refused

    @property
    def per_s(self) -> float:
        """Accepted requests a second."""
        return self.accepted / self.seconds


def absent() -> str | None:
    """Return why there is no wrk on this machine; None if there is one."""
    return None if shutil.which("wrk") else "wrk is not installed"


def parse(said: str) -> Run:
    """Return what a run said.

    Raises:
        NoWrkError: It did not say it.
    """
    lines = [line for line in said.splitlines() if line.startswith('{"requests":')]
    try:
        return msgspec.json.decode(lines[-1].encode(), type=Run)
    except (IndexError, msgspec.DecodeError) as error:
        msg = f"wrk did not say what became of its requests: {said[-500:]!r}"
        raise NoWrkError(msg) from error


def run(url: str, requests: Path, *, seconds: float, connections: int, core: int) -> Run:
    """Send a file's requests, over and over.

    Args:
        url: Where to; of its path nothing is used.
        requests: The file, see `harness.api_requests`.
        seconds: For how long.
        connections: How many at once.
        core: Which core it runs on.

    Raises:
        NoWrkError: It failed.
    """
    options = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", str(SCRIPT)]
    ended = subprocess.run(
        on_core(core, ["wrk", *options, url, "--", str(requests)]),
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        timeout=seconds + _PATIENCE_S,
        check=False,
    )
    if ended.returncode:
        msg = f"wrk ended with {ended.returncode}: {ended.stderr[-500:]}"
        raise NoWrkError(msg)
    return parse(ended.stdout)
