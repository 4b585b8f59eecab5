"""Tables of the API's hot path say what the results say, with or without refusals."""

import re

from harness import api_tables


def rounds(**changes: object) -> dict[str, object]:
    return {
        "most_per_s": 1000,
        "offered_per_s": 10_000,
        "afterwards_per_s": 990,
        "accepted_per_s": 900,
        "accepted_to_most": 0.9,
        "refused": {},
        "refused_per_s": 0,
        "unsent": 5,
        "broken": 1,
        "unanswered": 2,
        **changes,
    }


def overload(*found: dict[str, object]) -> str:
    result = {
        "connections": 4000,
        "patience_s": 1.0,
        "rounds": found,
    }
    return "\n".join(api_tables.overload_rows(result))


def test_of_several_rounds_of_overload_the_one_in_the_middle_is_shown():
    shown = overload(
        rounds(accepted_to_most=0.7, afterwards_per_s=300),
        rounds(accepted_to_most=0.95, most_per_s=100),
        rounds(accepted_to_most=0.8, most_per_s=800, offered_per_s=8000),
    )

    assert "| the most a second, 64 connections, closed loop | 800 |" in shown
    assert "| offered a second | 8,000 |" in shown
    assert "| accepted to the most, before and afterwards | **0.8** |" in shown
    assert "| the most a second afterwards | 990 |" in shown


def test_each_kind_of_refusal_has_its_own_row():
    refused = {
        "429": {"count": 3, "p50_ms": 1.5, "p99_ms": 2.5},
        "503": {"count": 4, "p50_ms": 3.5, "p99_ms": 4.5},
    }

    shown = overload(rounds(refused=refused, refused_per_s=7))

    assert "| answers 429, from when it was sent: p50, p99 | 1.5 ms, 2.5 ms |" in shown
    assert "| answers 503, from when it was sent: p50, p99 | 3.5 ms, 4.5 ms |" in shown


def test_the_range_of_the_rounds_stands_beside_a_median():
    way = {
        "per_s": 20,
        "per_s_rounds": [10, 20, 30],
        "cpu_us_a_request": 100.0,
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "batch": 100,
    }

    shown = "\n".join(api_tables.batch_rows(way))

    assert "20 (10 to 30)" in shown
    assert "| CPU a report | 1.0 us |" in shown


def test_a_step_shows_what_it_costs_more_than_the_one_before():
    costs = {"noop": 30.0, "served": 35.5, "answered": 55.0, "checked": 90.0, "ugc_api": 105.0}
    ways = {
        name: {"cpu_us_a_request": cost, "cpu_us_a_request_rounds": [cost]}
        for name, cost in costs.items()
    }

    shown = "\n".join(api_tables.step_rows({"ways": ways, "rounds": 1, "seconds": 2.0}))

    assert re.findall(r"\| ([\d.]+) us \|$", shown, re.MULTILINE) == ["5.5", "19.5", "35.0", "15.0"]
