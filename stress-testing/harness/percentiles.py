"""How long answers took, in milliseconds, by nearest rank."""

import math
from collections.abc import Sequence

from msgspec import Struct


class Spread(Struct, frozen=True, kw_only=True):
    """Some durations.

    Attributes:
        count: How many.
        p50_ms: Half of them took no longer than that, in milliseconds.
        p99_ms: 99 of 100.
        p999_ms: 999 of 1,000.
        max_ms: All.
    """

    count: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share of the values does not exceed.

    Args:
        ordered: Values from the smallest to the largest, at least one.
        share: Above 0, up to 1.
    """
    return ordered[math.ceil(round(share * len(ordered), 9)) - 1]


def spread(took_s: Sequence[float]) -> Spread:
    """Return the spread of durations in seconds, at least one."""
    ordered = sorted(took_s)
    return Spread(
        count=len(ordered),
        p50_ms=_ms(percentile(ordered, 0.5)),
        p99_ms=_ms(percentile(ordered, 0.99)),
        p999_ms=_ms(percentile(ordered, 0.999)),
        max_ms=_ms(ordered[-1]),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
