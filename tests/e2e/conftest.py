"""Running systems: one that is shared by tests that only use it, and fresh ones."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.e2e.systems import STOP_S, Running, Up, start_up
from tests.requirements import lacking

StartUp = Callable[..., Up]


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One `ugc up` for every test that leaves it running."""
    running = start_up(tmp_path_factory.mktemp("shared") / "data")
    try:
        running.says("}")
        yield running
    finally:
        _put_away([running])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartUp]:
    """Start `ugc up` and wait until it is up; a second call is a second start.

    Both work on the same directory.
    """
    started: list[Up] = []

    def begin(*options: str, wait: bool = True, data: Path | None = None, env=None) -> Up:
        running = start_up(data or tmp_path / "data", *options, env=env)
        started.append(running)
        if wait:
            running.says("}")
        return running

    yield begin
    _put_away(started)


@pytest.fixture
def keep() -> Iterator[Callable[[Running], Running]]:
    """Put away a program that a test has started, however the test ends."""
    started: list[Running] = []

    def add(running: Running) -> Running:
        started.append(running)
        return running

    yield add
    _put_away(started)


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh, empty virtual environment whose pip reaches the package index."""
    folder = tmp_path_factory.mktemp("index")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=60)
    python = folder / "venv" / "bin" / "python"
    arguments = ["download", "--quiet", "--no-deps", "--dest", str(folder / "got"), "iniconfig"]
    asked = subprocess.run(
        [str(python), "-m", "pip", "--retries", "1", "--timeout", "10", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if asked.returncode:
        reason = f"the package index does not answer: {asked.stderr.strip().splitlines()[-1]}"
        lacking("index", reason)
    return folder / "venv"


def _put_away(started: Sequence[Running]) -> None:
    """Stop what still runs, and leave no child behind."""
    for running in started:
        children = list(running.children().values())
        if running.process.poll() is None:
            running.process.terminate()
            try:
                running.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                running.kill()
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)  # what a shell has started
        for child in children:
            if child.is_running():
                child.kill()
        psutil.wait_procs(children, timeout=10)
