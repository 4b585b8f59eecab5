"""Memory that the rush after an outage has taken, given back."""

from collections.abc import Callable

from ugc_core.allocator import give_back
from ugc_core.clock import Clock

_CALM_S = 10.0
"""So long after the log is back, the rush is over."""


class Relief:
    """Waits until the log has been back for a while.

    The requests that waited for the log, and the players that come back all at once, take memory
    that nobody needs afterwards: after ten minutes without brokers a service held an eighth more.
    """

    def __init__(self, clock: Clock, give_back: Callable[[], None] = give_back) -> None:
        """Give memory back by this, once after each outage."""
        self._clock = clock
        self._give_back = give_back
        self._away = False
        self._calm_at: float | None = None

    def failed(self) -> None:
        """Note that an append failed."""
        self._away = True

    def worked(self) -> None:
        """Note that an append worked."""
        if self._away:
            self._away, self._calm_at = False, self._clock.now() + _CALM_S
        elif self._calm_at is not None and self._clock.now() >= self._calm_at:
            self._calm_at = None
            self._give_back()
