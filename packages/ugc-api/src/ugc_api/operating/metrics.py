"""What the service counts, for Prometheus; no label holds a user or a film."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from ugc_core import telemetry

# An fsync on a laptop is about a millisecond; a broker that elects a leader takes seconds.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class ApiMetrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.events = Counter(
            telemetry.API_EVENTS.removesuffix("_total"),
            "Reports, by what became of them; reason is the kind of problem",
            ["outcome", "reason"],
            registry=self.registry,
        )
        self.requests = Counter(
            telemetry.API_REQUESTS.removesuffix("_total"),
            "Requests, by the route's template",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.append_seconds = Histogram(
            telemetry.API_APPEND_SECONDS,
            "Time until the log acknowledged, or did not",
            ["outcome"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            telemetry.API_IN_FLIGHT, "Requests under way", registry=self.registry
        )

    def accepted(self, count: int) -> None:
        """Count reports that are kept."""
        self.events.labels("accepted", "").inc(count)

    def duplicate(self, count: int) -> None:
        """Count reports that came twice in one batch."""
        self.events.labels("duplicate", "").inc(count)

    def refused(self, reason: str, count: int = 1) -> None:
        """Count reports that are not kept."""
        self.events.labels("refused", reason).inc(count)
