"""Ctrl-C and SIGTERM for work that should end between two steps."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import TypeVar

from ugc_cli import console

T = TypeVar("T")


async def until_done_or_stopped(
    work: Callable[[asyncio.Event], Coroutine[object, object, T]], *, drain_s: float
) -> T | None:
    """Run `work`; the first signal asks it to stop, the second one stops it.

    Args:
        work: Gets an event; once that is set, it should finish the step in hand and return.
        drain_s: How long that may take, in seconds; then it is stopped.

    Returns:
        What `work` returns; None if it had to be stopped.
    """
    stop = asyncio.Event()
    working = asyncio.ensure_future(work(stop))

    def interrupt() -> None:
        if stop.is_set():
            working.cancel()
        else:
            console.say("Finishing what is in hand …; once more to stop at once.", style="dim")
            stop.set()

    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupt)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({working}, timeout=drain_s)
        working.cancel()
        await asyncio.wait({working})
    finally:
        stopping.cancel()
        for number in signals:
            loop.remove_signal_handler(number)
    return None if working.cancelled() else working.result()
