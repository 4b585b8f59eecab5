"""A `ugc up` that is killed without warning and comes back on the same data and port."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

import psutil

from harness.system import STOP_S, Running, System, start


class Mortal(Protocol):
    """A system that loses a part of itself and gets it back."""

    kills: int
    down_s: list[float]

    @property
    def api(self) -> str:
        """Root of the API, with a final slash; it stays the same."""

    @property
    def current(self) -> Running:
        """The system as it runs just now."""

    def token(self, user_id: UUID, profile_id: UUID | None = None) -> str:
        """Return a token; the secret outlives every restart."""

    def kill_and_restart(self) -> None:
        """Kill without warning, and start again."""


class MortalSystem:
    """Knows where the system is, whichever process it is just now.

    Attributes:
        current: The system that runs.
        kills: How often it was killed.
        down_s: How long each time, from the kill until it was ready again.
    """

    def __init__(self, folder: Path) -> None:
        """Start it on an empty directory."""
        self._folder = folder
        self.current = start(folder)
        self.kills = 0
        self.down_s: list[float] = []

    @property
    def api(self) -> str:
        """Root of the API, with a final slash; it stays the same."""
        return self.current.api

    def token(self, user_id: UUID, profile_id: UUID | None = None) -> str:
        """Return a token; the secret outlives every restart."""
        return self.current.token(user_id, profile_id)

    def kill_and_restart(self) -> None:
        """Send SIGKILL to `ugc up`, see its services end with it, and start it again."""
        began = time.perf_counter()
        self._end(self.current)
        self.current = start(self._folder, port=urlsplit(self.api).port or 0)
        self.kills += 1
        self.down_s.append(round(time.perf_counter() - began, 2))

    @staticmethod
    def _end(system: System) -> None:
        services = system.process.children()
        system.process.kill()
        system.process.wait(STOP_S)
        _, alive = psutil.wait_procs(services, timeout=STOP_S)
        if alive:
            msg = f"outlived `ugc up`: {alive}"
            raise RuntimeError(msg)

    def stop(self) -> None:
        """End it in order."""
        self.current.process.terminate()
        self.current.process.wait(STOP_S)


@contextmanager
def mortal_system() -> Iterator[MortalSystem]:
    """Run one in a temporary directory."""
    with TemporaryDirectory(prefix="ugc-mortal-") as folder:
        system = MortalSystem(Path(folder))
        try:
            yield system
        finally:
            system.stop()
