"""The two shapes in which the product runs here: `ugc up`, and its parts one by one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol
from uuid import UUID

import psutil

from chaos.programs import Program, free_port, script
from ugc_cli.data_dir import DataDir
from ugc_cli.tokens import Claims, mint
from ugc_core.clock import SystemClock
from ugc_core.settings import Settings
from ugc_core.sources import load
from ugc_core.urls import SqliteLogTarget, log_target

_DAY_S = 86_400
_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of a system that lives for a minute
SERVICES = ("chdb_server", "ugc_api", "ugc_etl")


class System(Protocol):
    """What senders and the judge need to know of a running system."""

    @property
    def api(self) -> str:
        """Root of its HTTP service."""

    @property
    def settings(self) -> Settings:
        """Its settings; the warehouse's URL leads to the warehouse itself."""

    def services(self) -> Mapping[str, psutil.Process]:
        """Its processes that run now, by module."""


def token(settings: Settings, user_id: UUID) -> str:
    """Return a token of a user."""
    now_ms = SystemClock().wall_ms()
    return mint(Claims(user_id=user_id, ttl_s=_DAY_S), settings.auth, now_ms=now_ms)


def log_path(system: System) -> Path:
    """Return the file of its log.

    Raises:
        TypeError: Its log is no file.
    """
    target = log_target(system.settings.log.url)
    if not isinstance(target, SqliteLogTarget):
        raise TypeError(target)
    return target.path


@dataclass(kw_only=True)
class Up:
    """A running `ugc up` on ports that outlive its restarts."""

    data: Path
    program: Program
    api: str

    @cached_property
    def settings(self) -> Settings:
        """What it told other commands, and its secret; a restart changes none of it."""
        directory = DataDir.at(self.data)
        running = directory.running()
        if running is None:
            msg = f"no `ugc up` runs on {self.data}"
            raise RuntimeError(msg)
        return load({}, dict(running.settings)).settings

    def services(self) -> Mapping[str, psutil.Process]:
        """Its children by module; without those that are only starting."""
        found: dict[str, psutil.Process] = {}
        for child in self.program.process.children():
            try:
                words = child.cmdline()
            except psutil.NoSuchProcess:
                continue
            if "ugc_cli.die_with_parent" not in words:
                found |= {name: child for name in SERVICES if name in words}
        return found


@asynccontextmanager
async def running_up(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Up]:
    """Start `ugc up` on a new directory, and end whatever of it runs at the end."""
    data = folder / "data"
    program, api = up_program(folder / "up", data, environment)
    try:
        await program.start()
        yield Up(data=data, program=program, api=api)
        if program.runs:
            await program.stop()
    finally:
        program.put_away()


def up_program(output: Path, data: Path, environment: Mapping[str, str]) -> tuple[Program, str]:
    """Return the program `ugc up` on free ports, and the root of its API."""
    port = free_port()
    ports = ("--port", str(port), "--clickhouse-port", str(free_port()))
    command = [script("ugc"), "up", "--data", str(data), *ports, "--json"]
    program = Program(command, output=output, environment=environment, ready="}\n")
    return program, f"http://127.0.0.1:{port}"
