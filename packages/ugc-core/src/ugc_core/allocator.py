"""How the C library hands out memory in a service that runs for months."""

import ctypes
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import _lru_cache_wrapper
from typing import Any, TypeVar

from ugc_core.clock import Clock
from ugc_core.meanwhile import again_and_again, meanwhile

T = TypeVar("T")
_M_ARENA_MAX = -8
_EVERY_S = 30.0
"""A collection takes some ten milliseconds while a backlog waits, and next to none else."""
_NEW_OBJECTS = 50_000
"""So many more made than gone, and the collector looks at them: a few tens of megabytes."""
_caches: "list[_lru_cache_wrapper[Any]]" = []


def forgotten(cache: "_lru_cache_wrapper[T]") -> "_lru_cache_wrapper[T]":
    """Have a cache emptied whenever memory is given back.

    What it took up in the middle of a backlog lies between what has gone since: 200 small
    tuples kept 13 arenas of a MiB each from being returned.
    """
    _caches.append(cache)
    return cache


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


@asynccontextmanager
async def collecting(
    clock: Clock, *, collect: Callable[[], object] = gc.collect
) -> AsyncIterator[None]:
    """Collect by the clock in the block, and not whenever many new objects are there.

    A pipeline makes values by the hundred thousand and hardly any cycles: by default the
    collector walks them again and again while a backlog fills, at the price of decoding it.
    What is there at the beginning stays, and is not looked at.
    """
    gc.freeze()
    gc.disable()
    try:
        async with meanwhile(again_and_again(collect, every_s=_EVERY_S, clock=clock)):
            yield
    finally:
        gc.enable()
        gc.unfreeze()


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Collect in the block only if objects are left behind in great numbers.

    For a service whose requests leave no cycles. By default those under way are walked again and
    again, and now and then with everything else, while all clients wait. What is there at the
    beginning stays, and is not looked at.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def give_back() -> None:
    """Return free memory to the system: after a large backlog most of the heap is that.

    The collection comes first, since it empties Python's free lists: a few numbers kept there
    hold whole arenas (200,000 decoded reports gave back 29 of 30 MiB with it, and 4 without).
    All of it takes a tenth of a second, so it is for the end of a backlog and not for every
    batch. Reference: malloc_trim(3).
    """
    for cache in _caches:
        cache.cache_clear()
    gc.collect()
    malloc_trim = _of_glibc("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_glibc(name: str) -> Any:  # noqa: ANN401 - a C function
    """Return a function that only glibc has, None elsewhere."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
