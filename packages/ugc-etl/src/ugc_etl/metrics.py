"""What the pipeline counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ugc_core import telemetry
from ugc_core.errors import UgcError
from ugc_etl.ports import LedgerEntry

# An insert takes milliseconds on a laptop and seconds on a cluster that is busy merging.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class EtlMetrics:
    """Counters of one pipeline, in a registry of their own."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        self.lines = Counter(
            telemetry.ETL_LINES.removesuffix("_total"),
            "Lines of the log, by what became of them",
            ["outcome"],
            registry=self.registry,
        )
        self.batches = Counter(
            telemetry.ETL_BATCHES.removesuffix("_total"), "Batches", registry=self.registry
        )
        self.retries = Counter(
            telemetry.ETL_RETRIES.removesuffix("_total"),
            "Failures that are tried again, by error",
            ["error"],
            registry=self.registry,
        )
        self.insert_seconds = Histogram(
            telemetry.ETL_INSERT_SECONDS,
            "Time until an insert is done, waits included",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.buffered_bytes = Gauge(
            telemetry.ETL_BUFFERED_BYTES, "Bytes of records that wait", registry=self.registry
        )
        self.paused = Gauge(telemetry.ETL_PAUSED, "Partitions held back", registry=self.registry)

    def delivered(self, entry: LedgerEntry) -> None:
        """Count a batch."""
        self.batches.inc()
        self.lines.labels("stored").inc(entry.stored)
        self.lines.labels("dead").inc(entry.dead)
        self.lines.labels("erased").inc(entry.erased)

    def failed(self, error: UgcError) -> None:
        """Count a failure that is tried again."""
        self.retries.labels(type(error).__name__).inc()
