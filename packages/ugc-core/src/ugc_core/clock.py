"""Time as an argument, so that no test ever waits for it."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic scale, the wall clock, and a way to wait."""

    def now(self) -> float:
        """Seconds on a scale that never goes back."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z."""

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.monotonic)
    """Seconds since an arbitrary start."""

    def wall_ms(self) -> int:
        """Milliseconds of Unix time."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait for real."""
        await asyncio.sleep(seconds)


class ManualClock:
    """Moves only when told to; `sleep` returns at once, having moved it."""

    def __init__(self, *, wall_ms: int = 1_767_225_600_000) -> None:
        """Start at zero seconds and, on the wall, at 2026-01-01T00:00:00Z."""
        self._now = 0.0
        self._wall_ms = wall_ms

    def now(self) -> float:
        """Seconds slept so far."""
        return self._now

    def wall_ms(self) -> int:
        """The start plus the seconds slept so far."""
        return self._wall_ms + round(self._now * 1000)

    async def sleep(self, seconds: float) -> None:
        """Jump ahead by `seconds`, and let other tasks run."""
        self._now += seconds
        await asyncio.sleep(0)
