"""The metrics by name, and how they are published: what Prometheus reads is made when it asks."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, Literal

from msgspec import Struct
from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ugc_api.operating.counts import Counts, Totals
from ugc_core import telemetry

# An fsync on a laptop is about a millisecond; a broker that elects a leader takes seconds.
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
HISTOGRAM_WIDTH: Final = len(BUCKETS) + 2
"""Places of a histogram: one for each bucket, one for what is longer, and the sum of seconds."""


class Family(Struct, frozen=True, kw_only=True):
    """One metric.

    Attributes:
        name: Its name, with the unit, and `_total` if it is a counter.
        text: What it counts.
        labels: Names of its labels.
        kind: How it is published.
    """

    name: str
    text: str
    labels: tuple[str, ...] = ()
    kind: Literal["counter", "gauge", "histogram"] = "counter"


FAMILIES: Final = (
    Family(
        name=telemetry.API_EVENTS,
        text="Reports, by what became of them; reason is the kind of problem",
        labels=("outcome", "reason"),
    ),
    Family(
        name=telemetry.API_REQUESTS,
        text="Requests, by the route's template",
        labels=("method", "route", "status"),
    ),
    Family(
        name=telemetry.API_SHED,
        text="Requests and connections that a limit turned away, by the kind of problem",
        labels=("reason",),
    ),
    Family(
        name=telemetry.API_APPEND_SECONDS,
        text="Time until the log acknowledged, or did not",
        labels=("outcome",),
        kind="histogram",
    ),
    Family(name=telemetry.API_IN_FLIGHT, text="Requests under way", kind="gauge"),
    Family(name=telemetry.API_CONNECTIONS, text="Open connections", kind="gauge"),
)


class Publisher(Collector):
    """Gives Prometheus what all workers of the service have counted."""

    def __init__(self, counts: Counts, *, before: Callable[[], None]) -> None:
        """Publish `counts`; `before` is called each time, to bring them up to date."""
        self._counts = counts
        self._before = before
        self.families = list(FAMILIES)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the registry need not collect in order to know the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, also those of which nothing was counted."""
        self._before()
        totals = self._counts.totals()
        for family in self.families:
            yield _metric(family, totals)
        pids = self._counts.pids()
        if pids:
            yield GaugeMetricFamily(telemetry.API_WORKERS, "Workers that count", len(pids))
        yield from _processes(pids)


def _metric(family: Family, totals: Totals) -> Metric:
    found = [
        (series.labels, values) for series, values in totals.items() if series.family == family.name
    ]
    match family.kind:
        case "counter":
            counter = CounterMetricFamily(family.name, family.text, labels=family.labels)
            for labels, values in found:
                counter.add_metric(labels, values[0])
            return counter
        case "gauge":
            gauge = GaugeMetricFamily(family.name, family.text, labels=family.labels)
            for labels, values in found:
                gauge.add_metric(labels, values[0])
            return gauge
        case "histogram":
            histogram = HistogramMetricFamily(family.name, family.text, labels=family.labels)
            for labels, values in found:
                histogram.add_metric(labels, _buckets(values), values[-1])
            return histogram


def _buckets(values: list[float]) -> list[tuple[str, float]]:
    """Return the buckets as Prometheus wants them: each holds all that came before."""
    counted, buckets = 0.0, []
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), values, strict=False):
        counted += count
        buckets.append((bound, counted))
    return buckets


def _processes(pids: Iterable[int]) -> Iterator[Metric]:
    """Yield memory, CPU and open files: of this process, or of each of several, by its number."""
    metrics: dict[str, Metric] = {}
    for pid in pids or (None,):
        collector = ProcessCollector(pid=partial(_name, pid), registry=None)
        for found in collector.collect():
            metric = metrics.setdefault(found.name, found)
            if pid is None:
                continue
            if metric is found:
                metric.samples, samples = [], metric.samples
            else:
                samples = found.samples
            metric.samples += [s._replace(labels={"pid": str(pid)}) for s in samples]
    yield from metrics.values()


def _name(pid: int | None) -> int | str:
    return pid or "self"
