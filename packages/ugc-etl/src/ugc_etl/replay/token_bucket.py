"""A bound on events a second, with a second's worth of burst."""

from ugc_core.clock import Clock

_LOOK_EVERY_S = 0.25
"""Longest wait before the caller may look whether it is to stop, in seconds."""

_SHORTEST_S = 0.000_1
"""A wait below this is rounding."""


class TokenBucket:
    """Fills by `rate` tokens a second, up to one second's worth.

    More than that may be taken at once: the bucket then owes, and the next one waits longer.
    So the rate holds whatever the sizes of the batches are.
    """

    def __init__(self, rate: float, clock: Clock) -> None:
        """Start full."""
        self._rate = rate
        self._clock = clock
        self._tokens = rate
        self._filled_at = clock.now()

    def wait_s(self) -> float:
        """Return the seconds until something may be taken; 0 if it may be now."""
        now = self._clock.now()
        self._tokens = min(self._tokens + (now - self._filled_at) * self._rate, self._rate)
        self._filled_at = now
        return max(-self._tokens / self._rate, 0.0)

    async def pause(self) -> bool:
        """Wait a little if nothing may be taken yet; say whether it had to."""
        wait_s = self.wait_s()
        if wait_s < _SHORTEST_S:
            return False
        await self._clock.sleep(min(wait_s, _LOOK_EVERY_S))
        return True

    def take(self, many: int) -> None:
        """Take tokens, whether they are there or not."""
        self._tokens -= many
