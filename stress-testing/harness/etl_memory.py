"""What a pipeline holds in memory: what the system counts, and what it says itself."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from msgspec import Struct

from ugc_core.telemetry import ETL_BUFFERED_BYTES, ETL_PAUSED

MIB = 2**20
_TIMEOUT_S = 60


class Sample(Struct, kw_only=True):
    """One look.

    Attributes:
        at_s: When, in seconds of the caller's clock.
        rss_mib: Resident memory.
        pss_mib: The same, with what is shared by others counted by its share.
        waiting_mib: Records that wait in its memory, by its own metric.
        paused: Partitions that it holds back.
    """

    at_s: float
    rss_mib: float
    pss_mib: float
    waiting_mib: float
    paused: int


def look(pid: int, metrics_port: int) -> Sample:
    """Look at a pipeline."""
    sizes = _numbers(Path(f"/proc/{pid}/smaps_rollup").read_text("ascii"))
    with urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=_TIMEOUT_S) as answer:
        said = _numbers(answer.read().decode())
    return Sample(
        at_s=time.monotonic(),
        rss_mib=round(sizes["Rss:"] / 1024, 1),
        pss_mib=round(sizes["Pss:"] / 1024, 1),
        waiting_mib=round(said[ETL_BUFFERED_BYTES] / MIB, 1),
        paused=int(said[ETL_PAUSED]),
    )


def _numbers(text: str) -> dict[str, float]:
    """Return the number after each name, of lines that are a name and a number."""
    words = (line.split() for line in text.splitlines())
    return {
        name: float(number)
        for name, number, *_ in (row for row in words if len(row) > 1)
        if name[0] != "#" and number[0].isdigit()
    }


class Stretch(Struct, kw_only=True):
    """A part of the samples, from one moment to another."""

    samples: Sequence[Sample]

    @classmethod
    def between(cls, samples: Sequence[Sample], first_s: float, last_s: float) -> "Stretch":
        """Choose what was seen between two moments.

        Raises:
            ValueError: Nothing was.
        """
        found = [one for one in samples if first_s <= one.at_s <= last_s]
        if not found:
            msg = f"no look at the pipeline between {first_s:.1f} and {last_s:.1f} s"
            raise ValueError(msg)
        return cls(samples=found)

    def tenths(self, size: Callable[[Sample], float]) -> list[float]:
        """Return the median of each tenth."""
        many = len(self.samples)
        bounds = [round(many * tenth / 10) for tenth in range(11)]
        parts = [self.samples[min(a, many - 1) : max(b, a + 1)] for a, b in pairwise(bounds)]
        return [round(median(map(size, part)), 1) for part in parts]

    def most(self, size: Callable[[Sample], float]) -> float:
        """Return the largest."""
        return max(map(size, self.samples))

    def middle(self, size: Callable[[Sample], float]) -> float:
        """Return the median."""
        return round(median(map(size, self.samples)), 1)
