"""Our programs as processes: started, watched, killed, and never left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")

START_S = 60.0
STOP_S = 60.0
_LOOK_EVERY_S = 0.02


class LateError(Exception):
    """Something did not happen in time."""


async def until(condition: Callable[[], T], what: str, *, within_s: float = 30.0) -> T:
    """Return the first true value of a condition.

    Raises:
        LateError: It did not become true in time.
    """
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        await _look_again(deadline, what, within_s)
    return found


async def until_told(
    ask: Callable[[], Awaitable[bool]],
    what: str,
    *,
    within_s: float = 30.0,
    every_s: float = _LOOK_EVERY_S,
) -> None:
    """Ask until the answer is yes.

    Raises:
        LateError: It was not in time.
    """
    deadline = time.monotonic() + within_s
    while not await ask():
        await _look_again(deadline, what, within_s, every_s)


async def _look_again(
    deadline: float, what: str, within_s: float, every_s: float = _LOOK_EVERY_S
) -> None:
    if time.monotonic() > deadline:
        msg = f"not within {within_s:g} s: {what}"
        raise LateError(msg)
    await asyncio.sleep(every_s)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def script(name: str) -> str:
    """Return the path of a console script."""
    return str(Path(sysconfig.get_path("scripts")) / name)


class Program:
    """One program; started again, it is another process with the same command.

    Attributes:
        environment: The `UGC_` variables that it is started with.
    """

    def __init__(
        self, command: Sequence[str], *, output: Path, environment: Mapping[str, str], ready: str
    ) -> None:
        """Start nothing yet; `ready` is what it says on stdout once it works."""
        self.environment = dict(environment)
        self._command = command
        self._ready = ready
        self._out = output.with_suffix(".out")
        self._err = output.with_suffix(".err")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> psutil.Process:
        """The process that runs now."""
        return psutil.Process(self._started().pid)

    @property
    def runs(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def out(self) -> str:
        """What the latest process has said on stdout."""
        return self._out.read_text("utf-8")

    @property
    def err(self) -> str:
        """What all of its processes have said on stderr."""
        return self._err.read_text("utf-8") if self._err.exists() else ""

    def begin(self) -> None:
        """Start it, and do not wait."""
        others = {name: value for name, value in os.environ.items() if name[:4] != "UGC_"}
        with self._out.open("wb") as out, self._err.open("ab") as err:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**others, **self.environment},
                start_new_session=True,
            )

    async def start(self) -> None:
        """Start it, and wait until it is ready.

        Raises:
            LateError: It is not, or has ended.
        """
        self.begin()
        await self.ready()

    async def ready(self) -> None:
        """Wait until it says so.

        Raises:
            LateError: It does not, or has ended.
        """
        await until(
            lambda: self._ready in self.out or not self.runs,
            f"{self._command} is ready",
            within_s=START_S,
        )
        if self._ready not in self.out:
            msg = f"{self._command} ended: {self.err[-2000:]}"
            raise LateError(msg)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, wherever it is just now."""
        self._started().send_signal(number)

    async def ended(self, *, within_s: float = STOP_S) -> int:
        """Wait for its end; return the exit code, negative for a signal.

        Raises:
            LateError: It goes on.
        """
        process = self._started()
        await until(lambda: process.poll() is not None, f"{self._command} ends", within_s=within_s)
        return process.wait()

    async def stop(self) -> int:
        """Ask it to stop; return the exit code."""
        self.send(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """End it without warning."""
        self.send(signal.SIGKILL)
        await self.ended()

    def put_away(self) -> None:
        """Leave nothing behind, whatever has happened."""
        if self._process is None or not self.runs:
            return
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait(STOP_S)
        for child in family:
            if child.is_running():
                child.kill()
        psutil.wait_procs(family, timeout=STOP_S)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            msg = f"{self._command} was never started"
            raise LateError(msg)
        return self._process
