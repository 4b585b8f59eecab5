"""Slow processes: each may run for a share of one core, and never while another one does.

They are stopped and let go on by turns, which needs no rights and no other machine. A process
of many threads could use more than one core within its turn; what it has really used has to be
measured.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil

_ROUND_S = 0.05


@contextmanager
def turns(processes: Sequence[psutil.Process], *, share: float | None) -> Iterator[None]:
    """Slow processes down until the end of the block; then all of them run.

    Args:
        processes: Which.
        share: Each one's part of the time; None does nothing.

    Raises:
        ValueError: The shares are more than the time there is.
    """
    if share is None:
        yield
        return
    if share * len(processes) > 1:
        msg = f"{len(processes)} processes cannot have {share:.0%} of the time each"
        raise ValueError(msg)
    over = threading.Event()
    thread = threading.Thread(target=_give, args=(processes, share, over))
    _stand(processes)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _give(processes: Sequence[psutil.Process], share: float, over: threading.Event) -> None:
    rest_s = _ROUND_S * (1 - share * len(processes))
    while not over.is_set():
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()
                over.wait(_ROUND_S * share)
                process.suspend()
        over.wait(rest_s)


def _stand(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
