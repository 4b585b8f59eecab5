"""When requests of a fixed rate are due, and which of them have waited for too long."""


class Arrivals:
    """Requests that fall due one after the other at equal distances, and queue until taken.

    Attributes:
        total: How many there will be.
        taken: How many have left the queue, taken or given up.
        given_up: How many have waited for too long.
    """

    def __init__(self, *, rate: float, seconds: float, patience_s: float, began_s: float) -> None:
        """Begin at a moment.

        Args:
            rate: Requests a second.
            seconds: For how long.
            patience_s: One that has waited longer is given up.
            began_s: When the first one is due.
        """
        self.total = round(rate * seconds)
        self.taken = 0
        self.given_up = 0
        self._rate = rate
        self._patience_s = patience_s
        self._began_s = began_s

    @property
    def finished(self) -> bool:
        """Whether all of them have left the queue."""
        return self.taken == self.total

    def take(self, now_s: float) -> float | None:
        """Return when the oldest in the queue was due, and take it out; None if none is."""
        self._give_up(now_s)
        due_s = self.due_s(self.taken)
        if self.finished or due_s > now_s:
            return None
        self.taken += 1
        return due_s

    def due_s(self, number: int) -> float:
        """Return when a request is due, counted from 0."""
        return self._began_s + number / self._rate

    def _give_up(self, now_s: float) -> None:
        """Drop from the queue's head; the loop that asks may have been away for long."""
        oldest_s = now_s - self._patience_s
        if self.finished or self.due_s(self.taken) >= oldest_s:
            return
        first = min(self.total, int((oldest_s - self._began_s) * self._rate) + 1)
        self.given_up += first - self.taken
        self.taken = first
