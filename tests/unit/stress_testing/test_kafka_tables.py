"""The tables about Kafka show what the programs measure, and are whole tables."""

from bench import kafka_scaling
from harness.acknowledged import Verdict
from harness.drain import Drained
from harness.kafka_tables import etl_rows, outage_rows, scaling_rows
from harness.outage import Standing, catch_up_figures, memory_figures
from msgspec import to_builtins

from tests.unit.stress_testing.test_outage_figures import MARKS, SAMPLES


def columns(rows: list[str]) -> set[int]:
    return {row.count("|") for row in rows if row.startswith("|")}


def test_an_outage_has_a_column_for_each_trial_that_was_played():
    way = [
        Standing(at_s=0, stored=0, acknowledged=9000),
        Standing(at_s=2, stored=10_000, acknowledged=10_000),
    ]
    trial = {
        "outage_s": 900.4,
        "waiting_at_most_mib": 128.0,
        "memory": memory_figures(SAMPLES, MARKS),
        "catch_up": catch_up_figures(way),
        "ids": to_builtins(Verdict(acknowledged=10_000, stored=9999, missing=1)),
    }

    rows = outage_rows({"rate": 2000, "killed": trial, "hanging": trial})

    assert columns(rows) == {4}
    assert "| ids missing, foreign, twice | 1, 0, 0 | 1, 0, 0 |" in rows
    assert "| **times the live rate** | **10.0** | **10.0** |" in rows
    assert "| in the last tenth | 110 MiB | 110 MiB |" in rows


def drained(*, rows_per_s: float, many: int) -> Drained:
    return Drained(
        rows=1000,
        seconds=1000 / rows_per_s,
        etl_cpu_s=[0.006 / many] * many,
        server_cpu_s=0.004,
        broker_cpu_s=0.002,
        largest_share=1.0 if many == 1 else 0.52,
        ids=Verdict(acknowledged=1000, stored=1000),
    )


def test_two_pipelines_stand_beside_one_with_their_ratio():
    runs = {
        1: [drained(rows_per_s=rate, many=1) for rate in (100, 200, 300)],
        2: [drained(rows_per_s=rate, many=2) for rate in (190, 360, 480)],
    }
    both = kafka_scaling.scaling(runs)
    found = {
        "rows": 1000,
        "rounds": 3,
        "runs": 12,
        "share_of_a_core": 0.25,
        **dict.fromkeys(("missing", "foreign", "twice"), 0),
        **{s: {"lines_a_record": 1.0, "slow": both, "free": both} for s in kafka_scaling.SHAPES},
    }

    rows = scaling_rows(found)

    assert (both["rows_per_s_ratio"], both["cpu_a_row_ratio"]) == (1.8, 1.0)
    assert columns(rows) == {5}
    slow = "| rows a second: 1.0 reports a record, each on at most 25% of a core |"
    assert f"{slow} 200 | 360 | **1.80** |" in rows
    assert "1.92 times as quick at most" in "\n".join(rows)


def test_the_pipeline_stands_beside_its_baselines():
    found = {
        "rounds": 3,
        "cpu_us_a_row": {"plain": 12.0, "floor": 4.0, "singles": 6.0, "packs_2000": 3.0},
        "lines_a_record": {"2000": 3.4},
        "singles_to_floor": 1.5,
        "plain_to_packs": {"2000": 4.0},
    }

    rows = etl_rows(found)

    assert columns(rows) == {5}
    assert "| ugc-etl | 1 | 6.00 us | 1.50 times the floor |" in rows
    assert "| 3.4 | 3.00 us | the baseline costs 4.0 times as much |" in rows[5]
