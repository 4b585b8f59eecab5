"""Charts of the hot path of ugc-api, each made of a result."""

from collections.abc import Callable, Mapping

from harness.api_tables import Found, middle_round
from harness.bars import Bar, Panel, bar_chart
from harness.chart import line_chart

_WAYS = {
    "ugc_api": "ugc-api",
    "noop": "no-op, uvicorn on httptools",
    "noop_h11": "no-op, uvicorn on h11",
    "bare": "bare endpoint, send_and_wait",
    "fastapi": "the plain FastAPI way",
}
_STEPS = {
    "noop": "uvicorn's no-op",
    "served": "the service's own HTTP",
    "answered": "the write route",
    "checked": "token, checks, line, answer",
    "ugc_api": "ugc-api",
}
_CPU = "cpu_us_a_request"
_SPEED_AIM, _CPU_AIM = 0.55, 1.4
"""Times what the no-op does, and costs."""
_BATCH_AIM = 100_000
_P99_AIM_MS = 25
_ACCEPTED_AIM = 0.8


def singles(found: Found) -> str:
    """Return what every way to take single reports in does, and costs."""
    ways = {name: found["ways"][key] for key, name in _WAYS.items()}
    rate, cpu = (found["ways"]["noop"][key] for key in ("per_s", _CPU))
    speed = f"requests a second; aim for ugc-api: {_SPEED_AIM:g} of the no-op's"
    cost = f"CPU a request, microseconds; aim for ugc-api: {_CPU_AIM:g} times the no-op's"
    return bar_chart(
        [
            _panel(speed, ways, "per_s", aim=round(rate * _SPEED_AIM)),
            _panel(cost, ways, _CPU, aim=round(cpu * _CPU_AIM, 1)),
        ],
        title="Single reports: one process, 64 connections, acknowledged by Kafka",
    )


def steps(found: Found) -> str:
    """Return what a single report costs with ever more of the work done."""
    ways = {name: found["ways"][key] for key, name in _STEPS.items()}
    panel = _panel("CPU a request, microseconds, each with all that stands above", ways, _CPU)
    return bar_chart([panel], title="What each part of the work on a single report costs")


def batches(found: Found) -> str:
    """Return what every round of batches did."""
    bars = [
        Bar(name=f"round {number}", value=rate, ours=True)
        for number, rate in enumerate(found["per_s_rounds"], 1)
    ]
    panel = Panel(title="reports a second, acknowledged by Kafka", bars=bars, aim=_BATCH_AIM)
    return bar_chart([panel], title=f"Batches of {found['batch']} reports, one process")


def open_loop(found: Found) -> str:
    """Return how long answers took at a fixed rate."""
    names = {"p50_ms": "p50", "p99_ms": "p99", "p999_ms": "p99.9", "max_ms": "the longest"}
    bars = [Bar(name=name, value=found[key], ours=True) for key, name in names.items()]
    panel = Panel(
        title="milliseconds from when it was due; aim for p99", bars=bars, aim=_P99_AIM_MS
    )
    rate = f"{found['offered_per_s']:,} single reports a second"
    return bar_chart([panel], title=f"Answers to {rate}, {found['share']:.0%} of the most")


def overload(found: Found) -> str:
    """Return what became of ten times as many requests as can be answered."""
    middle = middle_round(found)
    bars = [
        Bar(name="the most, before", value=middle["most_per_s"]),
        Bar(name="accepted", value=middle["accepted_per_s"], ours=True),
        Bar(name="refused by 503", value=middle["refused_per_s"], ours=True),
        Bar(name="the most, afterwards", value=middle["afterwards_per_s"]),
    ]
    panel = Panel(
        title="requests a second; aim for accepted",
        bars=bars,
        aim=round(_ACCEPTED_AIM * (middle["most_per_s"] + middle["afterwards_per_s"]) / 2),
    )
    return bar_chart([panel], title=f"Overload: {middle['offered_per_s']:,} requests a second")


def servers(found: Found) -> str:
    """Return what the application does and costs on each server."""
    names = {"granian": f"granian {found['granian']}"}
    ways = {names.get(name, name): one for name, one in found["servers"].items()}
    return bar_chart(
        [
            _panel("single reports a second", ways, "per_s"),
            _panel("CPU a request, microseconds", ways, _CPU),
        ],
        title="The same application on three servers, one worker each",
    )


def memory(found: Found) -> str:
    """Return memory over millions of single reports."""
    points = [(accepted / 1e6, mib) for accepted, mib in found["series"]]
    return line_chart(
        {"ugc-api": points},
        title=f"Resident memory of ugc-api over {found['reports']:,} single reports",
        across="million reports accepted",
        up="MiB",
    )


CHARTS: Mapping[str, Callable[[Found], str]] = {
    "api_singles": singles,
    "api_steps": steps,
    "api_batches": batches,
    "api_open_loop": open_loop,
    "api_overload": overload,
    "api_servers": servers,
    "api_memory": memory,
}
"""By the name of the result; the chart stands beside it."""


def _panel(title: str, ways: Mapping[str, Found], key: str, *, aim: float | None = None) -> Panel:
    bars = [
        Bar(name=name, value=one[key], rounds=one[f"{key}_rounds"], ours=name == "ugc-api")
        for name, one in ways.items()
    ]
    return Panel(title=title, bars=bars, aim=aim)
