"""How the C library hands out memory in a service that runs for months."""

import ctypes
import gc
import sys
from typing import Any

_M_ARENA_MAX = -8
_YOUNG = 500_000
"""New objects that make the collector look at them; 700 by default."""


def keep_one_arena() -> None:
    """Let all threads share one arena of glibc's malloc, where there is glibc.

    By default each thread gets an arena that seldom gives anything back: over ten outages of
    the warehouse the pipeline grew by 6 to 8 MiB with them, and by 4 without. Threads do not
    contend here, since Python lets one of them allocate at a time. Has to come before the
    first thread. Reference: mallopt(3), M_ARENA_MAX.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def collect_rarely() -> None:
    """Let the cyclic garbage collector look seldom, and not at what is there now.

    A pipeline makes values by the hundred thousand and no cycles: by default the collector
    walks them again and again while a backlog fills, at the price of decoding it.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])


def give_back() -> None:
    """Return free memory to the system: after a large backlog most of the heap is that.

    The collection comes first, since it empties Python's free lists: a few numbers kept there
    hold whole arenas (200,000 decoded reports gave back 29 of 30 MiB with it, and 4 without).
    All of it takes a tenth of a second, so it is for the end of a backlog and not for every
    batch. Reference: malloc_trim(3).
    """
    gc.collect()
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_glibc(name: str) -> Any:  # noqa: ANN401 - a C function
    """Return a function that only glibc has, None elsewhere."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
