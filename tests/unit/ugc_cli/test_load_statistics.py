"""Latencies and rates of a load test."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_cli.load_testing.exchanges import Exchange
from ugc_cli.load_testing.statistics import Histogram, Statistics, sparkline

durations = st.lists(st.floats(min_value=0.02, max_value=60_000), min_size=1, max_size=200)


def exchange(**changes: Any) -> Exchange:
    fields: dict[str, Any] = {"name": "heartbeat", "viewer": 0, "ms": 5.0, "status": 202}
    return Exchange(**(fields | changes))


@given(durations, st.floats(min_value=0.01, max_value=1))
def test_a_percentile_is_at_most_two_percent_too_high(found: list[float], share: float):
    histogram = Histogram()
    for ms in found:
        histogram.add(ms)

    exact = sorted(found)[math.ceil(share * len(found)) - 1]

    assert exact * 0.9999 <= histogram.percentile(share) <= exact * 1.0201


def test_nothing_measured_is_zero():
    assert Histogram().summary() == {"p50": 0, "p95": 0, "p99": 0, "max": 0}


def test_requests_are_counted_by_kind_second_and_reason():
    found = Statistics()
    found.add(exchange(ids=["a"], outcomes="a"), second=0)
    found.add(exchange(name="batch", ids=["b", "c"], outcomes="ar", error="refused"), second=2)
    found.add(exchange(status=503, ids=["d"], outcomes="u", error="503 busy"), second=2)

    assert (found.total.requests, found.total.errors, found.total.accepted) == (3, 2, 2)
    assert {name: tally.requests for name, tally in found.by_name.items()} == {
        "heartbeat": 2,
        "batch": 1,
    }
    assert [tally.requests for tally in found.by_second] == [1, 0, 2]
    assert found.reasons == {"refused": 1, "503 busy": 1}


def test_a_thousand_reasons_do_not_fill_the_memory():
    found = Statistics()
    for number in range(1000):
        found.add(exchange(error=f"reason {number}"), second=0)

    assert len(found.reasons) <= 51
    assert found.reasons.total() == 1000


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        ([], ""),
        ([0, 0], "▁▁"),
        ([1, 2, 4, 8], "▂▃▅█"),
        ([8] * 100, "█" * 10),
        ([0, 0, 8, 8], "▁▁██"),
    ],
)
def test_a_sparkline_goes_from_zero_to_the_most(values, bars):
    assert sparkline(values, width=10) == bars


@given(st.lists(st.floats(min_value=0, max_value=1e9), max_size=300), st.integers(1, 80))
def test_a_sparkline_is_never_too_wide(values: list[float], width: int):
    assert len(sparkline(values, width=width)) == min(width, len(values))
