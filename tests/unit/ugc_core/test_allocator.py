"""When the garbage collector looks, and what goes when memory is given back."""

import asyncio
import gc
from functools import lru_cache
from weakref import ref

from ugc_core.allocator import collecting, collecting_seldom, forgotten, give_back


class SteppedClock:
    """A clock whose sleepers wake when the test says so."""

    def __init__(self) -> None:
        self.waits: asyncio.Queue[float] = asyncio.Queue()
        self.wakes: asyncio.Queue[None] = asyncio.Queue()

    def now(self) -> float:
        raise NotImplementedError

    def wall_ms(self) -> int:
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        await self.waits.put(seconds)
        await self.wakes.get()


class Knot:
    """Holds itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


async def test_cycles_are_freed_by_the_clock_and_at_no_other_time():
    clock = SteppedClock()
    async with collecting(clock):
        assert not gc.isenabled()
        await clock.waits.get()
        knot = ref(Knot())
        await clock.wakes.put(None)
        await clock.waits.get()

        assert knot() is None

    assert gc.isenabled()


def test_what_is_left_behind_in_great_numbers_is_collected_and_what_was_there_is_not_looked_at():
    before = gc.get_threshold()
    old = Knot()
    with collecting_seldom():
        assert not any(known is old for known in gc.get_objects())
        first = ref(Knot())
        some = [Knot() for _ in range(10_000)]
        assert first() is not None
        more = [Knot() for _ in range(50_000)]
        assert first() is None

    assert gc.get_threshold() == before
    assert len(some) + len(more) == 60_000
    assert any(known is old for known in gc.get_objects())


def test_caches_that_lie_amid_a_backlog_go_with_it():
    @forgotten
    @lru_cache
    def double(number: int) -> int:
        return 2 * number

    double(1)
    double(1)
    give_back()
    assert double.cache_info().currsize == 0
    assert double(2) == 4
