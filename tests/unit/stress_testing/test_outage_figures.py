"""Figures of an outage come from what was seen, phase by phase."""

import os

import pytest
from harness.etl_memory import MIB, Sample, look
from harness.outage import Marks, Standing, catch_up_figures, caught_up, memory_figures
from prometheus_client import start_http_server

from ugc_etl.metrics import EtlMetrics

MARKS = Marks(began_s=100, down_s=160, back_s=260, caught_up_s=280, ended_s=340)


def sample(at_s: float) -> Sample:
    """Look at a pipeline that holds back all partitions 30 s into the outage."""
    held = min(max(at_s - MARKS.down_s, 0), 30) if at_s <= MARKS.back_s else 0
    catching_up = 200 if MARKS.back_s < at_s <= MARKS.caught_up_s else 0
    return Sample(
        at_s=at_s,
        rss_mib=50 + 2 * held + catching_up,
        pss_mib=40 + 2 * held,
        waiting_mib=held,
        paused=4 if held == 30 else 0,
    )


SAMPLES = [sample(at_s) for at_s in range(100, 341)]


def test_memory_is_told_before_during_and_after_the_outage():
    found = memory_figures(SAMPLES, MARKS)

    assert found["rss_mib"] == {
        "before": 50,
        "outage_by_tenths": [59, 79, 99, 110, 110, 110, 110, 110, 110, 110],
        "most_in_outage": 110,
        "most_in_catch_up": 250,
        "after": 50,
    }
    assert found["last_tenth_to_sixth"] == 1
    assert found["most_to_before"] == 2.2
    assert found["held_back_after_s"] == 30


def test_an_outage_that_fills_no_partition_holds_none_back():
    never = [Sample(at_s=s.at_s, rss_mib=1, pss_mib=1, waiting_mib=0, paused=0) for s in SAMPLES]

    assert memory_figures(never, MARKS)["held_back_after_s"] is None


def test_a_phase_without_a_look_is_refused():
    with pytest.raises(ValueError, match="no look at the pipeline"):
        memory_figures(SAMPLES[:10], MARKS)


def test_the_way_back_counts_the_wait_for_the_first_rows():
    way = [
        Standing(at_s=0, stored=1000, acknowledged=11_000),
        Standing(at_s=2, stored=1000, acknowledged=12_000),
        Standing(at_s=3, stored=9000, acknowledged=12_500),
        Standing(at_s=5, stored=13_500, acknowledged=13_500),
    ]

    assert catch_up_figures(way) == {
        "behind": 10_000,
        "seconds": 5,
        "rows": 12_500,
        "rows_per_s": 2500,
        "live_per_s": 500,
        "to_live": 5,
        "first_rows_after_s": 3,
        "rows_per_s_once_storing": 2250,
    }


def test_a_moment_of_the_live_load_is_not_behind():
    near = Standing(at_s=0, stored=100, acknowledged=300)

    assert caught_up(near, per_s=100, within_s=2)
    assert not caught_up(near, per_s=99, within_s=2)


def test_a_look_tells_what_the_system_and_the_pipeline_say():
    metrics = EtlMetrics()
    metrics.buffered_bytes.set(3 * MIB)
    metrics.paused.set(2)
    server, thread = start_http_server(0, "127.0.0.1", registry=metrics.registry)
    try:
        found = look(os.getpid(), server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    assert (found.waiting_mib, found.paused) == (3, 2)
    assert found.rss_mib >= found.pss_mib > 1
