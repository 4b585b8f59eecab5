"""One child process: started, asked whether it is ready, stopped."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_KEEP_LOG_BYTES = 10_000_000
_LAST_LINES = 4096
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What to run.

    Attributes:
        name: For people, and the name of its log file.
        module: Python module to run.
        arguments: Its arguments.
        environment: Its whole environment.
        log: File that takes what it says.
        probe: Returns when it answers, raises OSError or TimeoutError when it does not.
        stop_s: How long it may take to stop, in seconds.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str]
    log: Path
    probe: Callable[[], Awaitable[None]] | None = None
    stop_s: float = 30.0


@dataclass(kw_only=True)
class Child:
    """A process of a spec; started again, it is another process.

    Attributes:
        spec: What to run.
        holding: Descriptors that it inherits, so that it holds their locks too.
        said_ready: Set once it has printed its first line on stdout.
    """

    spec: Spec
    holding: tuple[int, ...] = ()
    said_ready: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    _reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it in a session of its own: Ctrl-C is for us, we stop it in order."""
        self.said_ready.clear()
        _rotate(self.spec.log)
        with self.spec.log.open("ab") as log:
            python = (sys.executable, "-P", "-m")
            command = (*python, self.spec.module, *self.spec.arguments)
            self.process = await asyncio.create_subprocess_exec(
                *(*python, "ugc_cli.die_with_parent", str(os.getpid()), *command),
                env=dict(self.spec.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                pass_fds=self.holding,
            )
        self._reading = asyncio.create_task(self._read(self.process))

    async def wait(self) -> int:
        """Return its exit code once it has ended; negative for a signal."""
        if self.process is None:
            return 0
        code = await self.process.wait()
        if self._reading is not None:
            await asyncio.wait({self._reading})
        return code

    async def stop(self) -> None:
        """Ask it to stop; insist when its time is over."""
        if self.process is None or self.process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.spec.stop_s):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()

    @property
    def ended_well(self) -> bool:
        """Whether its last process has ended by itself, with exit code 0."""
        return self.process is not None and self.process.returncode == 0

    def kill(self) -> None:
        """End it at once."""
        self._signal(signal.SIGKILL)

    def last_words(self) -> str:
        """Return the last line that it wrote, for an error message."""
        with self.spec.log.open("rb") as log:
            log.seek(max(self.spec.log.stat().st_size - _LAST_LINES, 0))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """Copy its stdout to the log; the first line says that it is ready."""
        if process.stdout is None:
            return
        with self.spec.log.open("ab") as log:
            while chunk := await process.stdout.read(_CHUNK_BYTES):
                if b"\n" in chunk:
                    self.said_ready.set()
                _write(log, chunk)


def _write(log: IO[bytes], chunk: bytes) -> None:
    log.write(chunk)
    log.flush()


def _rotate(log: Path) -> None:
    """Keep one old log, so that a crash loop cannot fill the disk."""
    if log.exists() and log.stat().st_size > _KEEP_LOG_BYTES:
        log.replace(log.with_suffix(".1.log"))
