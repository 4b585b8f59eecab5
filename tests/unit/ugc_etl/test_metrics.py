"""What the pipeline counts."""

import pytest

from ugc_core import telemetry
from ugc_core.errors import LogUnavailableError, WarehouseUnavailableError
from ugc_etl.metrics import EtlMetrics
from ugc_etl.ports import LedgerEntry, Range

ENTRY = LedgerEntry(
    topic="views",
    partition=0,
    range=Range(first=0, last=1),
    records=2,
    lines=6,
    stored=3,
    dead=2,
    erased=1,
    content_hash="",
)


def value(metrics: EtlMetrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_a_delivered_batch_is_counted_by_what_became_of_its_lines():
    metrics = EtlMetrics()

    metrics.delivered(ENTRY)
    metrics.delivered(ENTRY)

    assert value(metrics, telemetry.ETL_BATCHES) == 2
    for outcome, lines in (("stored", 6), ("dead", 4), ("erased", 2)):
        assert value(metrics, telemetry.ETL_LINES, outcome=outcome) == lines


def test_failures_are_counted_by_their_error():
    metrics = EtlMetrics()

    metrics.failed(LogUnavailableError("x"))
    metrics.failed(WarehouseUnavailableError("x"))
    metrics.failed(WarehouseUnavailableError("x"))

    assert value(metrics, telemetry.ETL_RETRIES, error="LogUnavailableError") == 1
    assert value(metrics, telemetry.ETL_RETRIES, error="WarehouseUnavailableError") == 2


@pytest.mark.parametrize(
    "name",
    [
        telemetry.ETL_BATCHES,
        f"{telemetry.ETL_INSERT_SECONDS}_count",
        telemetry.ETL_BUFFERED_BYTES,
        telemetry.ETL_PAUSED,
    ],
)
def test_a_pipeline_that_has_done_nothing_shows_zero(name):
    assert EtlMetrics().registry.get_sample_value(name) == 0


def test_two_pipelines_count_apart():
    one, other = EtlMetrics(), EtlMetrics()

    one.delivered(ENTRY)

    assert value(other, telemetry.ETL_BATCHES) == 0
