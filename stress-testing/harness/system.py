"""A running `ugc up`: started for a measurement, or one that is there already."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import psutil

from ugc_cli.data_dir import DataDir
from ugc_cli.tokens import Claims, mint
from ugc_core.clock import SystemClock
from ugc_core.settings import AuthSection, WarehouseSection
from ugc_core.sources import load

START_S = 60
STOP_S = 60


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

    def token(self, user_id: UUID) -> str:
        """Return a token of a user."""
        secret = self.directory.token_secret.read_text("utf-8").strip()
        claims = Claims(user_id=user_id, ttl_s=3600)
        return mint(claims, AuthSection(secret=secret), now_ms=SystemClock().wall_ms())

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


@contextmanager
def running_system(*, environment: dict[str, str] | None = None) -> Iterator[System]:
    """Start `ugc up` on an empty directory and free ports; stop it at the end."""
    with TemporaryDirectory(prefix="ugc-bench-") as folder:
        command = [sys.executable, "-m", "ugc_cli", "up", "--data", folder]
        options = ["--port", "0", "--clickhouse-port", "0", "--json"]
        process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
        try:
            if process.stdout is None or not (line := process.stdout.readline()):
                msg = "`ugc up` ended before it was ready"
                raise RuntimeError(msg)
            yield System(
                api=json.loads(line)["api"],
                directory=DataDir.at(Path(folder)),
                process=psutil.Process(process.pid),
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_S)
