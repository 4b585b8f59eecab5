"""So many a second and no more, for what must not get out of hand."""

from ugc_core.clock import Clock


class Allowance:
    """Fills by `per_s` a second, up to `most`."""

    def __init__(self, per_s: float, clock: Clock, *, most: float | None = None) -> None:
        """Start full.

        Args:
            per_s: How many a second, in the long run.
            clock: Time.
            most: How many at once; a second's worth, and one at least, unless it is given.
        """
        self._per_s = per_s
        self._clock = clock
        self._most = max(per_s, 1.0) if most is None else most
        self._left = self._most if per_s else 0.0
        self._filled_at = clock.now()

    def take(self) -> bool:
        """Take one, if there is one."""
        now = self._clock.now()
        self._left = min(self._left + (now - self._filled_at) * self._per_s, self._most)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
