"""How long to wait before the next try: capped, with full jitter.

Source of the formula: the "full jitter" of Marc Brooker, "Exponential Backoff And Jitter",
AWS Architecture Blog, 2015; with a floor of half the ceiling, so that a retry is never
immediate.
"""

import secrets

from msgspec import Struct

_random = secrets.SystemRandom()


class Backoff(Struct, frozen=True, kw_only=True):
    """Waits that double from `first_s` up to `most_s`, in seconds."""

    first_s: float
    most_s: float

    def wait_s(self, attempt: int) -> float:
        """Return the wait after failure number `attempt` (from 1), in seconds."""
        ceiling = min(self.most_s, self.first_s * 2 ** min(attempt - 1, 30))
        return _random.uniform(ceiling / 2, ceiling)
