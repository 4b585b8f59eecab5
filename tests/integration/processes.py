"""Our programs as child processes: started, stopped, killed, and never left behind."""

import os
import re
import select
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

START_S = 30
"""Longest wait for a program to be ready, and to end once it was told to, in seconds."""


class Service:
    """A program that says on stdout, in one line, that it is ready.

    Attributes:
        command: How to start it.
        environment: With these variables.
        ready: That line.
    """

    def __init__(
        self, command: Sequence[str], *, errors: Path, settings: Mapping[str, str] | None = None
    ) -> None:
        self.command = command
        self._errors = errors
        others = {name: value for name, value in os.environ.items() if name[:4] != "UGC_"}
        self.environment = others | dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.ready = ""

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start it, and wait for its line."""
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=errors, env=self.environment
            )
        self.ready = self._first_line()
        return self.ready

    def stop(self) -> int:
        """Send SIGTERM; return the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, wherever it is just now."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hang, with its connections open, until `resume`."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def said(self) -> str:
        """Return what it wrote to stderr."""
        return self._errors.read_text("utf-8") if self._errors.exists() else ""

    def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(timeout=START_S)
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
            self._process = None

    def _first_line(self) -> str:
        assert self._process
        assert self._process.stdout
        until = time.monotonic() + START_S
        found = b""
        while not found.endswith(b"\n"):
            handle = self._process.stdout.fileno()
            left_s = until - time.monotonic()
            readable = left_s > 0 and select.select([handle], [], [], left_s)[0]
            more = os.read(handle, 1000) if readable else b""
            if not more:
                self.kill()
                msg = f"{self.command[0]} is not ready; it said {self.said()!r}"
                raise AssertionError(msg)
            found += more
        return found.decode().strip()


class ChdbServer(Service):
    """The warehouse of the embedded mode; started again, it keeps its port and its data."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.port = 0
        super().__init__([], errors=data.with_name(f"{data.name}.stderr"))

    def start(self) -> str:
        """Start it on its port, or on a free one the first time."""
        script = Path(sysconfig.get_path("scripts")) / "chdb-server"
        self.command = [str(script), "--data", str(self._data), "--port", str(self.port)]
        line = super().start()
        found = re.fullmatch(r"chdb-server ready on 127\.0\.0\.1:(\d+) \(ClickHouse .*\)", line)
        assert found, line
        self.port = int(found[1])
        return line


class Etl(Service):
    """The pipeline service, as `python -m ugc_etl`."""

    def __init__(self, settings: Mapping[str, str], *, errors: Path) -> None:
        super().__init__([sys.executable, "-m", "ugc_etl"], errors=errors, settings=settings)
