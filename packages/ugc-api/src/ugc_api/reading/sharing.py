"""Answers that cost much: asked once, however many want them, and good for a moment."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from msgspec import Struct

from ugc_core.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Dated(Struct, Generic[V], frozen=True, kw_only=True):
    """An answer, and how old it is.

    Attributes:
        value: The answer.
        as_of_ms: When the question was asked, epoch milliseconds.
        asked_at: The same by the clock that only goes forward, in seconds.
    """

    value: V
    as_of_ms: int
    asked_at: float


class _Flight(Struct, Generic[V], kw_only=True, eq=False):
    """A question under way, and how many wait for it."""

    task: asyncio.Task[Dated[V]]
    waiting: int = 0


class SharedAnswers(Generic[K, V]):
    """The last answers by their questions.

    Equal questions at the same time are one; a failure reaches all who wait and is not kept.
    A question that nobody waits for any more is called off.
    """

    def __init__(self, clock: Clock, *, fresh_s: float, most: int) -> None:
        """Keep at most `most` answers, each for `fresh_s` seconds from when it was asked."""
        self._clock = clock
        self._fresh_s = fresh_s
        self._most = most
        self._kept: dict[K, Dated[V]] = {}
        self._flights: dict[K, _Flight[V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> Dated[V]:
        """Return the answer that is kept, or under way, or else ask."""
        kept = self._kept.get(key)
        if kept is not None and self._clock.now() - kept.asked_at < self._fresh_s:
            return kept
        flight = self._flights.get(key)
        if flight is None:
            flight = _Flight(task=asyncio.create_task(self._ask(key, ask)))
            self._flights[key] = flight
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                self._drop(key, flight)

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> Dated[V]:
        as_of_ms, asked_at = self._clock.wall_ms(), self._clock.now()
        answer = Dated(value=await ask(), as_of_ms=as_of_ms, asked_at=asked_at)
        self._kept.pop(key, None)
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]  # the oldest
        self._kept[key] = answer
        return answer

    def _drop(self, key: K, flight: _Flight[V]) -> None:
        """Let go of a question that is answered, or that nobody waits for."""
        flight.task.cancel()
        if self._flights.get(key) is flight:
            del self._flights[key]
