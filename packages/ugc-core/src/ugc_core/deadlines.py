"""One timer for many waits that are all equally long.

`asyncio.timeout` costs a timer, a context and two calls into the loop for every wait: about
as much as an append itself. Here the waits stand in the order in which they end, and one
timer looks at the first of them.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Deadlines:
    """Fails futures that are not done in time."""

    def __init__(self, timeout_s: float, error: Callable[[], Exception]) -> None:
        """Wait for nobody yet.

        Args:
            timeout_s: How long each future may take, in seconds.
            error: Makes what a late one fails with.
        """
        self._timeout_s = timeout_s
        self._error = error
        self._watched: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, future: "asyncio.Future[Any]", loop: asyncio.AbstractEventLoop) -> None:
        """Fail the future unless it is done in time."""
        if self._watched and self._watched[0][1].done():
            self._forget_done()
        due = loop.time() + self._timeout_s
        self._watched.append((due, future))
        if self._timer is None:
            self._timer = loop.call_at(due, self._look, loop)

    def close(self) -> None:
        """Let go of everyone."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget_done(self) -> None:
        while self._watched and self._watched[0][1].done():
            self._watched.popleft()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail those that are late, and look again when the next one may be."""
        self._timer = None
        now = loop.time()
        self._forget_done()
        while self._watched and self._watched[0][0] <= now:
            self._watched.popleft()[1].set_exception(self._error())
            self._forget_done()
        if self._watched:
            self._timer = loop.call_at(self._watched[0][0], self._look, loop)
