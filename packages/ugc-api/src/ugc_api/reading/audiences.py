"""Films' audiences: the questions that analysts ask, few at a time and each one shared."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from msgspec import Struct

from ugc_api.reading.sharing import Dated, SharedAnswers
from ugc_core import audience
from ugc_core.audience import Audience, Days, RetentionBucket
from ugc_core.clock import Clock
from ugc_core.errors import WarehouseUnavailableError
from ugc_core.warehouse import Warehouse

MAX_BUCKETS = 10_800
"""A second of a film of three hours each: about half a megabyte of answer."""
LIVE_FRESH_S = 2.0
"""Viewers now are a number to look at again and again; it may lag by as much."""
_USUAL_BUCKETS = 300
_WIDTHS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600)  # 600 s fit the longest film, 48 h
_AT_ONCE = 2
"""Curves keep a warehouse busy: viewers' resume points need the other connections."""
_KEPT_NUMBERS = 1000
_KEPT_CURVES = 16
"""One of the longest takes about two megabytes."""


class Curve(Struct, frozen=True, kw_only=True):
    """A film's retention curve, and the whole that it is a share of.

    Attributes:
        whole: The film's numbers over the same days.
        bucket_s: Width of a bucket, in seconds of film.
        buckets: Every bucket.
    """

    whole: Audience
    bucket_s: int
    buckets: Sequence[RetentionBucket]


class TooManyBucketsError(Exception):
    """A curve would have more than `MAX_BUCKETS` buckets.

    Attributes:
        least_s: The narrowest bucket that this film may have, in seconds.
    """

    def __init__(self, least_s: int) -> None:
        """Keep the width that would do."""
        super().__init__(f"a bucket of less than {least_s} s")
        self.least_s = least_s


class Audiences:
    """Questions about films; answers are shared, and good for some seconds."""

    def __init__(
        self, *, warehouse: Warehouse, clock: Clock, fresh_s: float, timeout_s: float
    ) -> None:
        """Ask this warehouse.

        Args:
            warehouse: Where to read.
            clock: Time.
            fresh_s: How long an answer is given again, in seconds.
            timeout_s: Longest wait for an answer, a wait for others' questions included.
        """
        self._warehouse = warehouse
        self._clock = clock
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._numbers: SharedAnswers[tuple[UUID, Days], Audience] = SharedAnswers(
            clock, fresh_s=fresh_s, most=_KEPT_NUMBERS
        )
        self._curves: SharedAnswers[tuple[UUID, Days, int | None], Curve] = SharedAnswers(
            clock, fresh_s=fresh_s, most=_KEPT_CURVES
        )
        self._live: SharedAnswers[UUID, int] = SharedAnswers(
            clock, fresh_s=LIVE_FRESH_S, most=_KEPT_NUMBERS
        )

    async def numbers(self, film_id: UUID, days: Days) -> Dated[Audience]:
        """Return a film's numbers.

        Raises:
            WarehouseUnavailableError: The warehouse did not answer in time.
        """

        async def ask() -> Audience:
            async with self._turn():
                return await audience.audience(self._warehouse, film_id, days)

        return await self._numbers.get((film_id, days), ask)

    async def curve(self, film_id: UUID, days: Days, bucket_s: int | None) -> Dated[Curve]:
        """Return a film's retention curve; without a width one that gives up to 300 buckets.

        Raises:
            TooManyBucketsError: The film is too long for this width.
            WarehouseUnavailableError: The warehouse did not answer in time.
        """

        async def ask() -> Curve:
            async with self._turn():
                whole = await audience.audience(self._warehouse, film_id, days)
                width = usual_width(whole.length_s) if bucket_s is None else bucket_s
                if width * MAX_BUCKETS < whole.length_s:
                    raise TooManyBucketsError(-(-whole.length_s // MAX_BUCKETS))
                buckets = await audience.retention(
                    self._warehouse, film_id, days, length_s=whole.length_s, bucket_s=width
                )
            return Curve(whole=whole, bucket_s=width, buckets=buckets)

        return await self._curves.get((film_id, days, bucket_s), ask)

    async def live(self, film_id: UUID) -> Dated[int]:
        """Return how many watch a film now.

        Raises:
            WarehouseUnavailableError: The warehouse did not answer in time.
        """

        async def ask() -> int:
            at_ms = self._clock.wall_ms()
            async with self._turn():
                return await audience.live_viewers(self._warehouse, film_id, at_ms)

        return await self._live.get(film_id, ask)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Let a question through, and call it off when its time is over."""
        try:
            async with asyncio.timeout(self._timeout_s), self._turns:
                yield
        except TimeoutError as error:
            msg = f"no answer about an audience within {self._timeout_s:g} s"
            raise WarehouseUnavailableError(msg) from error


def usual_width(length_s: int) -> int:
    """Return the narrowest usual width that gives a film of this length up to 300 buckets."""
    fitting = (width for width in _WIDTHS_S if width * _USUAL_BUCKETS >= length_s)
    return next(fitting, _WIDTHS_S[-1])
