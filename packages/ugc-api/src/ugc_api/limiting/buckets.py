"""How often somebody may ask: token buckets, one for each key, kept as one number each.

A bucket is kept as the moment at which it is full again (the generic cell rate algorithm).
Nothing refills in the background, and a key that has not been seen for a while has no entry.
"""

from typing import Final

DEFAULT_KEYS: Final = 50_000
"""Keys at once; about 10 MB with their addresses or user ids."""
_KEPT = 0.5
"""Of that, what stays when it is full of keys that all owe something."""

_ROUNDING_S = 1e-6
"""A wait that is none: sums of seconds since the machine's start are not exact."""


class Buckets:
    """Token buckets of one rate and one size; in any t seconds a key gets burst + rate * t."""

    def __init__(self, *, rate: float, burst: float, most_keys: int = DEFAULT_KEYS) -> None:
        """Make full buckets.

        Args:
            rate: What flows in, a second; 0: there is no limit.
            burst: What a bucket holds; at least one.
            most_keys: Most keys that are remembered.
        """
        self.rate = rate
        self.burst = max(burst, 1.0)
        self._each_s = 1 / rate if rate else 0.0
        self._span_s = self.burst * self._each_s
        self._most = most_keys
        self._full_at: dict[object, float] = {}

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._full_at)

    def take(self, key: object, cost: float, now: float) -> float:
        """Take `cost` out, or nothing; return 0.0, or how many seconds to wait for that much.

        What costs more than a bucket holds takes a whole bucket.
        """
        if not self.rate:
            return 0.0
        span, needs = self._span_s, cost * self._each_s
        full_at = self._full_at.get(key, now)
        full_at = (max(now, full_at)) + (min(span, needs))
        wait = full_at - now - span
        if wait > _ROUNDING_S:
            return wait
        self._full_at[key] = full_at
        if len(self._full_at) > self._most:
            self._forget(now)
        return 0.0

    def left(self, key: object, now: float) -> float:
        """Return how much a bucket holds."""
        owed_s = max(self._full_at.get(key, now) - now, 0.0)
        return max(self.burst - owed_s * self.rate, 0.0)

    def _forget(self, now: float) -> None:
        """Drop full buckets: a new one is the same. If too few are, drop those that owe least."""
        owing = {key: at for key, at in self._full_at.items() if at > now}
        kept = int(self._most * _KEPT)
        if len(owing) > kept:
            worst = sorted(owing.items(), key=lambda item: item[1], reverse=True)
            owing = dict(worst[:kept])
        self._full_at = owing
