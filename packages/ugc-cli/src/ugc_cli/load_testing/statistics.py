"""Latencies, rates and errors of a load test, in memory that does not grow with it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ugc_cli.load_testing.exchanges import ACCEPTED, Exchange

_GROWTH = 1.02
"""Each bucket is 2 % wider than the one before: so exact is a percentile."""
_LEAST_MS = 0.01
_MOST_REASONS = 50
_OTHERS = "other errors"
_MOST_SECONDS = 86_400
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(kw_only=True)
class Histogram:
    """Counts durations in buckets that grow geometrically."""

    buckets: Counter[int] = field(default_factory=Counter)
    most_ms: float = 0.0

    def add(self, ms: float) -> None:
        """Count one."""
        self.buckets[math.ceil(math.log(max(ms, _LEAST_MS) / _LEAST_MS, _GROWTH))] += 1
        self.most_ms = max(self.most_ms, ms)

    def percentile(self, share: float) -> float:
        """Return the duration that `share` of all do not exceed, up to 2 % too high."""
        wanted, seen = share * self.buckets.total(), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return min(_LEAST_MS * _GROWTH**bucket, self.most_ms)
        return 0.0

    def summary(self) -> dict[str, float]:
        """Return the percentiles that people ask for, in milliseconds."""
        named = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
        found = {name: round(self.percentile(share), 1) for name, share in named.items()}
        return {**found, "max": round(self.most_ms, 1)}


@dataclass(kw_only=True)
class Tally:
    """Requests of one kind."""

    requests: int = 0
    errors: int = 0
    accepted: int = 0
    latency: Histogram = field(default_factory=Histogram)

    def add(self, exchange: Exchange) -> None:
        """Count one request."""
        self.requests += 1
        self.errors += bool(exchange.error)
        self.accepted += exchange.outcomes.count(ACCEPTED)
        self.latency.add(exchange.ms)


@dataclass(kw_only=True)
class Statistics:
    """Everything that a summary says of the requests.

    Attributes:
        total: All requests.
        by_name: The same by kind.
        by_second: The same by second since the first.
        reasons: Errors by what they say.
    """

    total: Tally = field(default_factory=Tally)
    by_name: dict[str, Tally] = field(default_factory=dict)
    by_second: list[Tally] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, exchange: Exchange, *, second: int) -> None:
        """Count a request that was answered in the given second."""
        while len(self.by_second) <= min(second, _MOST_SECONDS):
            self.by_second.append(Tally())
        of_kind = self.by_name.setdefault(exchange.name, Tally())
        for tally in (self.total, of_kind, self.by_second[min(second, _MOST_SECONDS)]):
            tally.add(exchange)
        if exchange.error:
            known = exchange.error in self.reasons or len(self.reasons) < _MOST_REASONS
            self.reasons[exchange.error if known else _OTHERS] += 1


def sparkline(values: Sequence[float], *, width: int) -> str:
    """Return bars from 0 to the highest value; neighbours share one where there are too many."""
    if not values:
        return ""
    many = min(width, len(values))
    edges = [len(values) * n // many for n in range(many + 1)]
    means = [sum(values[low:high]) / (high - low) for low, high in pairwise(edges)]
    most = max(means)
    if not most:
        return _BARS[0] * many
    return "".join(_BARS[min(int(mean / most * len(_BARS)), len(_BARS) - 1)] for mean in means)
