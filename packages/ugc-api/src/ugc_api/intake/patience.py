"""One timer for every body that is on its way: `asyncio.timeout` would cost each request one."""

import asyncio
from collections import deque
from collections.abc import Sequence

from msgspec import Struct

_TURN_S = 0.01


class Wait(Struct, eq=False):
    """One task that waits for its client.

    Attributes:
        due: When it has waited long enough, on the loop's clock.
        task: Who waits; None when the wait is over.
        expired: Whether it was told that its time is up.
    """

    due: float
    task: "asyncio.Task[object] | None"
    expired: bool = False

    def end(self) -> None:
        """Let go of the task: the wait may stand in line for longer."""
        self.task = None


class Patience:
    """Cancels tasks that have waited for too long; all may wait equally long."""

    def __init__(self, timeout_s: float) -> None:
        """Let each wait take so many seconds."""
        self.timeout_s = timeout_s
        self._waits: deque[Wait] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Wait:
        """Start the wait of this task, who has to `end` it."""
        task = asyncio.current_task()
        if task is None:
            msg = "only a task can wait for a body"
            raise RuntimeError(msg)
        waits = self._waits
        while waits and waits[0].task is None:
            waits.popleft()
        loop = task.get_loop()
        wait = Wait(loop.time() + self.timeout_s, task)
        waits.append(wait)
        if self._timer is None:
            self._timer = loop.call_at(wait.due, self._look, loop)
        return wait

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ask who is late once more, and look again when the next one may be."""
        self._timer = None
        waits, now = self._waits, loop.time()
        late: list[Wait] = []
        while waits and (waits[0].task is None or waits[0].due <= now):
            wait = waits.popleft()
            if wait.task is not None:
                late.append(wait)
        if late:
            # If the loop was held up, it is the loop that is late: what has come meanwhile is read
            # in its next turn, and the tasks that wait for it go on in the one after.
            loop.call_later(_TURN_S, loop.call_later, _TURN_S, _end, late)
        if waits:
            self._timer = loop.call_at(waits[0].due, self._look, loop)


def _end(late: Sequence[Wait]) -> None:
    for wait in late:
        if wait.task is not None:
            wait.expired = True
            wait.task.cancel()
