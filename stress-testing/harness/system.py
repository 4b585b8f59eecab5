"""A running `ugc up`: started for a measurement, or one that is there already."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from uuid import UUID

import psutil

from ugc_cli.data_dir import DataDir
from ugc_cli.tokens import Claims, mint
from ugc_core.api_settings import AuthSection
from ugc_core.clock import SystemClock
from ugc_core.settings import WarehouseSection
from ugc_core.sources import load

STOP_S = 60
COMMAND_S = 900
TOKEN_S = 7200
UNLIMITED = {"UGC_LIMITS__USER_REPORTS_PER_S": "0", "UGC_LIMITS__ADDRESS_REQUESTS_PER_S": "0"}
"""Few users send here what many would, as fast as it goes."""


class Running(Protocol):
    """What a measurement needs of a running system, whatever its log is."""

    @property
    def api(self) -> str:
        """Root of the API, with a final slash."""

    @property
    def warehouse(self) -> WarehouseSection:
        """Its warehouse."""

    def token(self, user_id: UUID, profile_id: UUID | None = None) -> str:
        """Return a token of a user, or of a profile of that user."""

    def ugc(self, *arguments: str) -> tuple[int, str]:
        """Run a command of `ugc` on it; return its exit code and what it said."""

    def resident_mib(self) -> dict[str, float]:
        """Return the resident memory of each process, in MiB."""


@dataclass(frozen=True, kw_only=True)
class System:
    """How to reach it.

    Attributes:
        api: Root of the API, with a final slash.
        directory: Its data directory.
        process: The `ugc up` itself.
    """

    api: str
    directory: DataDir
    process: psutil.Process

    @property
    def warehouse(self) -> WarehouseSection:
        """Its warehouse."""
        running = self.directory.running()
        if running is None:
            msg = f"no `ugc up` runs on {self.directory.root}"
            raise RuntimeError(msg)
        return load({}, dict(running.settings)).settings.warehouse

    def token(
        self, user_id: UUID, profile_id: UUID | None = None, *, roles: tuple[str, ...] = ()
    ) -> str:
        """Return a token of a user, or of a profile of that user."""
        secret = self.directory.token_secret.read_text("utf-8").strip()
        claims = Claims(user_id=user_id, profile_id=profile_id, roles=roles, ttl_s=TOKEN_S)
        return mint(claims, AuthSection(secret=secret), now_ms=SystemClock().wall_ms())

    def ugc(self, *arguments: str) -> tuple[int, str]:
        """Run a command of `ugc` on its directory; return its exit code and what it said."""
        return run_ugc([*arguments, "--data", str(self.directory.root)], {})

    def services(self) -> dict[str, psutil.Process]:
        """Return the processes by name."""
        found = {"ugc up": self.process}
        for child in self.process.children():
            module = child.cmdline()[child.cmdline().index("-m") + 1]
            found[module.replace("_", "-")] = child
        return found

    def resident_mib(self) -> dict[str, float]:
        """Return the resident memory of each process, in MiB."""
        return {
            name: round(process.memory_info().rss / 2**20, 1)
            for name, process in sorted(self.services().items())
        }


def run_ugc(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a command of `ugc` to its end; return its exit code and what it said."""
    run = subprocess.run(
        [sys.executable, "-m", "ugc_cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def start(folder: Path, *, port: int = 0, environment: Mapping[str, str] | None = None) -> System:
    """Start `ugc up` on a directory and wait until it is ready; whoever calls, ends it."""
    command = [sys.executable, "-m", "ugc_cli", "up", "--data", str(folder)]
    options = ["--port", str(port), "--clickhouse-port", "0", "--json"]
    process = psutil.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **UNLIMITED, **(environment or {})},
    )
    if process.stdout is None or not (line := process.stdout.readline()):
        process.kill()
        process.wait(STOP_S)
        msg = "`ugc up` ended before it was ready"
        raise RuntimeError(msg)
    return System(api=json.loads(line)["api"], directory=DataDir.at(folder), process=process)


@contextmanager
def running_system(*, environment: Mapping[str, str] | None = None) -> Iterator[System]:
    """Start `ugc up` on an empty directory and free ports; stop it at the end."""
    with TemporaryDirectory(prefix="ugc-bench-") as folder:
        system = start(Path(folder), environment=environment)
        try:
            yield system
        finally:
            system.process.send_signal(signal.SIGTERM)
            system.process.wait(STOP_S)
