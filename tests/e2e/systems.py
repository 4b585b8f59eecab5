"""A real `ugc up`, seen from outside: its process, its answers, its warehouse."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import psutil
import pytest
from clickhouse_driver import Client

from ugc_cli.tokens import Claims, mint
from ugc_core.api_settings import AuthSection
from ugc_core.clock import SystemClock

T = TypeVar("T")

UGC = str(Path(sys.executable).parent / "ugc")
START_S = 40.0
STOP_S = 40.0
COMMAND_S = 30.0
STORED_S = 30.0

SERVICES = ("chdb_server", "ugc_api", "ugc_etl")
FREE_PORTS = ("--port", "0", "--clickhouse-port", "0")
ROOT = Path(__file__).parents[2]
_LOOKS = ("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "COLUMNS", "LINES", "TERM")
_OURS = ("VIRTUAL_ENV", "UV_RUN_RECURSION_DEPTH", "PYTHONPATH", "PYTEST_ADDOPTS")


class Ended(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def clean_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return our environment without what makes `ugc` behave or look differently."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("UGC_") and name not in _LOOKS + _OURS
    }
    return {**kept, **(changes or {})}


def ugc(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        [UGC, *arguments],
        cwd=cwd,
        env=clean_environment(env),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def until(condition: Callable[[], T], what: str, *, within_s: float = 20.0) -> T:
    """Return the first true value of a condition; fail when its time is over."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within_s:g} s: {what}")
        time.sleep(0.03)
    return found


@dataclass(kw_only=True)
class Running:
    """A program that goes on until it is told to stop; what it says goes into files."""

    arguments: Sequence[str]
    folder: Path
    env: Mapping[str, str] | None = None
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                self.arguments,
                cwd=self.folder,
                env=clean_environment(self.env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def _out(self) -> Path:
        return self.folder / "stdout.txt"

    @property
    def _err(self) -> Path:
        return self.folder / "stderr.txt"

    @property
    def out(self) -> str:
        """What it has said on stdout."""
        return self._out.read_text("utf-8")

    @property
    def err(self) -> str:
        """What it has said on stderr."""
        return self._err.read_text("utf-8")

    def says(self, words: str, *, within_s: float = START_S) -> str:
        """Wait for words on stdout or stderr; return its whole stdout."""

        def said() -> bool:
            if self.process.poll() is not None and words not in self.out + self.err:
                pytest.fail(f"ended with {self.process.returncode}: {self.err}")
            return words in self.out + self.err

        until(said, f"{self.arguments[1:3]} says {words!r}", within_s=within_s)
        return self.out

    def children(self) -> dict[str, psutil.Process]:
        """Return the services that run now, by module; none while it is only starting them."""
        found: dict[str, psutil.Process] = {}
        try:
            for child in psutil.Process(self.process.pid).children():
                words = child.cmdline()
                if "ugc_cli.die_with_parent" not in words:
                    found |= {name: child for name in SERVICES if name in words}
        except psutil.NoSuchProcess:
            return {}
        return found

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        self.process.wait(STOP_S)


@dataclass(kw_only=True)
class Up(Running):
    """A running `ugc up --json`."""

    data: Path

    @property
    def welcome(self) -> dict[str, str]:
        """What it printed."""
        found: dict[str, str] = json.loads(self.says("}"))
        return found

    @property
    def url(self) -> str:
        """Root of its HTTP service."""
        parts = urlsplit(self.welcome["api"])
        return f"{parts.scheme}://{parts.netloc}"

    def secret(self, name: str) -> str:
        """Return one of its secrets."""
        return (self.data / "secrets" / name).read_text("utf-8").strip()

    def token(self, user: UUID | str, *, profile: UUID | None = None, age_s: int = 0) -> str:
        """Return a token as `ugc token` makes them, made `age_s` ago."""
        claims = Claims(user_id=UUID(str(user)), profile_id=profile)
        auth = AuthSection(secret=self.secret("token-secret"))
        return mint(claims, auth, now_ms=SystemClock().wall_ms() - age_s * 1000)

    def client(self, user: UUID | str, *, profile: UUID | None = None) -> httpx.Client:
        """Return an HTTP client that is signed in."""
        headers = {"Authorization": f"Bearer {self.token(user, profile=profile)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=15)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse, through a client that is not ours."""
        host, _, port = self.welcome["clickhouse"].partition(":")
        client = Client(
            host,
            port=int(port),
            database=self.welcome["database"],
            password=self.secret("clickhouse-password"),
        )
        try:
            found: list[tuple[Any, ...]] = client.execute(sql)
        finally:
            client.disconnect()
        return found

    def stored(self, event_ids: Sequence[UUID | str]) -> list[UUID]:
        """Wait until the warehouse has these, and return every event id in `views`."""
        wanted = {UUID(str(event_id)) for event_id in event_ids}

        def found() -> list[UUID] | None:
            ids = [row[0] for row in self.rows("SELECT event_id FROM views")]
            return ids if wanted <= set(ids) else None

        return until(found, f"{len(wanted)} reports are stored", within_s=STORED_S) or []


def start_up(data: Path, *options: str, env: Mapping[str, str] | None = None) -> Up:
    """Start `ugc up` on any free ports, without waiting for it; its output goes beside `data`."""
    arguments = [UGC, "up", "--data", str(data), *FREE_PORTS, "--json", *options]
    folder = Path(tempfile.mkdtemp(prefix="out-", dir=data.parent))
    return Up(arguments=arguments, folder=folder, env=env, data=data)
