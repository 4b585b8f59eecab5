"""What a limit costs on the way of each request: the library `limits` beside our buckets.

The library (`limits`, in memory, in this process) knows windows and no token bucket. Each of its
strategies is measured, and our `Buckets`: time a hit, memory a key, and what goes through around
the edge of a window. Run it with `uv run --with limits==5.8.0`, as `nox -s bench` does not need it
otherwise: without the library only ours is measured, and nothing is written.

Baseline, in the same invocation: a dict that counts up, which is the least that a limit can do.
"""

import gc
import time
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from statistics import median
from typing import Any
from unittest.mock import patch

from harness.results import write

from ugc_api.limiting.buckets import Buckets

HITS = 20_000
KEYS = 2_000
ROUNDS = 7
RATE, SPAN_S = 100, 60
QUOTA = RATE * SPAN_S
STRATEGIES = ("FixedWindow", "SlidingWindowCounter", "MovingWindow")

Hit = Callable[[str], object]
Make = Callable[[], Hit]


def count_up() -> Hit:
    """Return the baseline."""
    counts: dict[str, int] = {}

    def hit(key: str) -> bool:
        counts[key] = counts.get(key, 0) + 1
        return counts[key] < QUOTA

    return hit


def ours() -> Hit:
    """Return our buckets."""
    buckets = Buckets(rate=RATE, burst=QUOTA)
    return lambda key: not buckets.take(key, 1.0, time.monotonic())


def theirs(strategy: str) -> Make:
    """Return a maker of the library's limit."""
    limits: Any = import_module("limits")
    strategies: Any = import_module("limits.strategies")
    storage: Any = import_module("limits.storage")

    def make() -> Hit:
        limiter = getattr(strategies, f"{strategy}RateLimiter")(storage.MemoryStorage())
        item = limits.RateLimitItemPerSecond(QUOTA, SPAN_S)
        return lambda key: limiter.hit(item, "user", key)

    return make


def us_a_hit(make: Make) -> float:
    """Return the microseconds of CPU of one hit, over keys that are known already."""
    hit, keys = make(), [f"user-{number}" for number in range(KEYS)]
    for key in keys:
        hit(key)
    began = time.process_time()
    for number in range(HITS):
        hit(keys[number % KEYS])
    return (time.process_time() - began) / HITS * 1e6


def bytes_a_key(make: Make) -> int:
    """Return the memory that one more key takes after ten hits, without the key itself."""
    hit, keys = make(), [f"user-{number}" for number in range(KEYS)]
    gc.collect()
    tracemalloc.start()
    for key in keys:
        for _ in range(10):
            hit(key)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return round(taken / KEYS)


def most_in_a_second(make: Make) -> int:
    """Return how much of one client goes through within a second, around a window's edge.

    It asks once, which opens the window where windows open with the first hit, and then, just
    before that window ends and just after, as much as it can.
    """
    opened = (int(time.time()) // SPAN_S + 2) * SPAN_S
    through = 0
    with patch("time.time", return_value=opened) as clock, patch("time.monotonic") as steady:
        steady.return_value = opened
        hit = make()
        hit("user")
        for now in (opened + SPAN_S - 0.5, opened + SPAN_S + 0.4):
            clock.return_value = steady.return_value = now
            through += sum(bool(hit("user")) for _ in range(QUOTA * 2))
    return through


def figures_of(makers: dict[str, Make]) -> dict[str, object]:
    """Measure in turns, so that the machine's moods hit all of them."""
    rounds = [{name: us_a_hit(make) for name, make in makers.items()} for _ in range(ROUNDS)]
    return {
        name: {
            "us_a_hit": round(median(found[name] for found in rounds), 2),
            "bytes_a_key": bytes_a_key(make),
        }
        for name, make in makers.items()
    }


def main() -> None:
    """Measure all there are."""
    makers: dict[str, Make] = {"count_up": count_up, "buckets": ours}
    try:
        makers |= {f"limits {name}": theirs(name) for name in STRATEGIES}
    except ModuleNotFoundError:
        print(figures_of(makers), "and no library: uv run --with limits==5.8.0")
        return
    found = figures_of(makers)
    edge = {name: most_in_a_second(make) for name, make in makers.items() if name != "count_up"}
    document: dict[str, object] = {
        "library": f"limits {version('limits')}",
        "hits": HITS,
        "keys": KEYS,
        "rounds": ROUNDS,
        "quota": QUOTA,
        "baseline": "count_up: a dict that counts up and compares",
        "limiters": found,
        "through_within_a_second_around_an_edge": edge,
    }
    print(write("limit_cost", document).read_text("utf-8"))


if __name__ == "__main__":
    main()
