"""A warning that would repeat with every request, said now and then."""

import structlog

from ugc_core.clock import Clock
from ugc_core.errors import UgcError

_EVERY_S = 5.0
_log = structlog.get_logger()


class SparingLog:
    """Logs the first failure at once, then one in a while with the number of those between."""

    def __init__(self, clock: Clock, event: str) -> None:
        """Name what fails."""
        self._clock = clock
        self._event = event
        self._said_at = float("-inf")
        self._unsaid = 0

    def warn(self, error: UgcError) -> None:
        """Note a failure."""
        if self._clock.now() - self._said_at < _EVERY_S:
            self._unsaid += 1
            return
        _log.warning(self._event, reason=str(error), since_last=self._unsaid)
        self._said_at, self._unsaid = self._clock.now(), 0
