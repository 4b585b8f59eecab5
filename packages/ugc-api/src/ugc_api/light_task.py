"""A coroutine that the loop runs for less than a task costs.

asyncio enters each task into two registers, takes it out of them and calls back at its end: much
for a request that waits once.
"""

from asyncio import AbstractEventLoop, Future
from collections.abc import Coroutine
from contextvars import Context
from typing import Any


class LightTask:
    """Runs a coroutine from the loop's next turn on, in a context of its own.

    Not at once: answers written while the loop reads make clients send more, and it would read
    on for seconds before it came to anything else. It is no task to asyncio: what asks for the
    current one, as `asyncio.timeout` does, cannot be awaited.
    """

    __slots__ = ("_all", "_context", "_coroutine", "_loop", "_waits_for")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, None],
        loop: AbstractEventLoop,
        everyone: set[Any],
    ) -> None:
        """Begin with the next turn.

        Args:
            coroutine: It has to deal with its own exceptions.
            loop: Runs it.
            everyone: Holds this as long as it runs.
        """
        self._coroutine = coroutine
        self._loop = loop
        self._all = everyone
        self._context = Context()
        self._waits_for: Future[Any] | None = None
        everyone.add(self)
        loop.call_soon(self._step, context=self._context)

    def cancel(self, msg: str | None = None) -> bool:
        """Cancel what it waits for; say whether it waits for anything."""
        return self._waits_for is not None and self._waits_for.cancel(msg)

    def _step(self, _: object = None) -> None:
        """Run on; called again once the future that the coroutine waits for is done."""
        self._waits_for = None
        try:
            future = self._coroutine.send(None)
        except StopIteration:
            self._all.discard(self)
            return
        except BaseException:
            self._all.discard(self)
            raise
        if future is None:  # a bare `yield`, as of `asyncio.sleep(0)`
            self._loop.call_soon(self._step, context=self._context)
            return
        future._asyncio_future_blocking = False  # noqa: SLF001 - so a task says that it awaits it
        self._waits_for = future
        future.add_done_callback(self._step, context=self._context)
