"""Notices a consumer that stands still although there is something to read.

Consumers have been seen that fetch nothing for ever after a broker had gone, without a sign.
"""

from collections.abc import Iterable, Mapping

from ugc_core.log import Watermarks


class Watchdog:
    """Compares where a consumer is with where the log ends, now and then."""

    def __init__(self, *, stuck_s: float, rebalance_s: float) -> None:
        """Know nothing yet.

        Args:
            stuck_s: How long it may stand still, in seconds.
            rebalance_s: How long a group may take to share out, in seconds.
        """
        self._stuck_s = stuck_s
        self._rebalance_s = rebalance_s
        self._looked_at: float | None = None
        self._still: dict[int, tuple[int, float]] = {}
        """By partition the position where it was found, and since when it has been there."""

    def due(self, now: float) -> bool:
        """Whether it is time to look; the answer counts as a look."""
        if self._looked_at is not None and now - self._looked_at < self._stuck_s / 3:
            return False
        self._looked_at = now
        return True

    def moved(self, partitions: Iterable[int], now: float) -> None:
        """Note that records came from these."""
        self._looked_at = now
        for partition in partitions:
            self._still.pop(partition, None)

    def waits_too_long(self, since: float | None, now: float) -> bool:
        """Whether the group should have shared out long ago."""
        return since is not None and now - since > self._rebalance_s + self._stuck_s

    def stuck(
        self, positions: Mapping[int, int], ends: Mapping[int, Watermarks], now: float
    ) -> int | None:
        """Return a partition that has stood still for too long, although there is more.

        Args:
            positions: Where the consumer reads on, of the partitions that are not held back.
            ends: The ends of these.
            now: The loop's time, in seconds.
        """
        behind = {p: at for p, at in positions.items() if p in ends and at < ends[p].high}
        self._still = {
            p: self._still[p] if self._still.get(p, (None, 0.0))[0] == at else (at, now)
            for p, at in behind.items()
        }
        late = (p for p, (_, since) in self._still.items() if now - since > self._stuck_s)
        return next(late, None)
