"""A load test in words, in one line a second, and as JSON."""

from collections.abc import Mapping, Sequence

from rich.text import Text

from ugc_cli import console
from ugc_cli.load_testing.arrival import Arrival
from ugc_cli.load_testing.exchanges import ACCEPTED, REFUSED, UNKNOWN, Plan
from ugc_cli.load_testing.running import Result
from ugc_cli.load_testing.statistics import Tally, sparkline

_CHART_COLUMNS = 50
_MOST_REASONS = 5
_HEADERS = ("request", "count", "errors", "per s", "p50 ms", "p95 ms", "p99 ms", "max ms")


def live_line(result: Result, plan: Plan) -> str:
    """Return one line on the last full second."""
    total, seconds = result.statistics.total, result.seconds
    done = int(seconds) - 1
    by_second = result.statistics.by_second
    last = by_second[done] if 0 <= done < len(by_second) else Tally()
    return (
        f"{int(seconds):>4} of {plan.duration_s:.0f} s  {last.requests:>5} requests/s"
        f"  {last.accepted:>6} reports/s  p95 {last.latency.percentile(0.95):>6.1f} ms"
        f"  {total.errors} errors"
    )


def as_json(result: Result, plan: Plan) -> dict[str, object]:
    """Return everything that was found, for one JSON document."""
    statistics, seconds = result.statistics, max(result.seconds, 0.001)
    return {
        "url": plan.url,
        "scenario": plan.scenario.name,
        "users": len(plan.tokens),
        "seconds": round(result.seconds, 1),
        "ended_early": result.ended_early,
        "requests": statistics.total.requests,
        "errors": statistics.total.errors,
        "requests_per_s": round(statistics.total.requests / seconds, 1),
        "latency_ms": statistics.total.latency.summary(),
        "reports": {
            "accepted": result.outcomes.get(ACCEPTED, 0),
            "refused": result.outcomes.get(REFUSED, 0),
            "unknown": result.outcomes.get(UNKNOWN, 0),
        },
        "by_request": {name: _numbers(tally) for name, tally in sorted(statistics.by_name.items())},
        "by_second": [
            {"requests": tally.requests, "accepted": tally.accepted, "errors": tally.errors}
            for tally in statistics.by_second
        ],
        "reasons": dict(statistics.reasons.most_common()),
        "failure": result.failure,
        "arrival": _arrival_json(result.arrival),
    }


def show(result: Result, plan: Plan) -> None:
    """Print the summary on stdout."""
    seconds = max(result.seconds, 0.001)
    kinds = sorted(result.statistics.by_name.items())
    rows = [_row(name, tally, seconds) for name, tally in kinds]
    console.emit_table(_HEADERS, [*rows, _row("all", result.statistics.total, seconds)])
    printer = console.out()
    for line in (*_charts(result), *_facts(result, plan)):
        printer.print(Text(line), soft_wrap=True)


def _numbers(tally: Tally) -> dict[str, object]:
    latency = tally.latency.summary()
    return {"requests": tally.requests, "errors": tally.errors, "latency_ms": latency}


def _arrival_json(arrival: Arrival | None) -> Mapping[str, object] | None:
    if arrival is None:
        return None
    fields = {name: getattr(arrival, name) for name in arrival.__struct_fields__}
    return {**fields, "missing_count": arrival.missing_count}


def _row(name: str, tally: Tally, seconds: float) -> Sequence[object]:
    latency = tally.latency.summary().values()
    return (name, tally.requests, tally.errors, round(tally.requests / seconds, 1), *latency)


def _charts(result: Result) -> list[str]:
    seconds = result.statistics.by_second[:-1] or result.statistics.by_second  # the last is cut
    series = {
        "reports/s": [float(tally.accepted) for tally in seconds],
        "p95 ms": [tally.latency.percentile(0.95) for tally in seconds],
    }
    return [
        f"{name:<10} {sparkline(values, width=_CHART_COLUMNS)}  at most {max(values):.0f}"
        for name, values in series.items()
        if values
    ]


def _facts(result: Result, plan: Plan) -> list[str]:
    counted = result.outcomes
    accepted, refused, unknown = (counted.get(one, 0) for one in (ACCEPTED, REFUSED, UNKNOWN))
    per_s = accepted / max(result.seconds, 0.001)
    early = ", ended early" if result.ended_early else ""
    viewers = f"{len(plan.tokens)}, scenario {plan.scenario.name}, {result.seconds:.1f} s{early}"
    reports = f"{accepted} accepted ({per_s:.1f}/s), {refused} refused, {unknown} unknown"
    lines = [f"{'viewers':<10} {viewers}", f"{'reports':<10} {reports}"]
    reasons = result.statistics.reasons.most_common(_MOST_REASONS)
    lines += [f"{'error':<10} {count} x {console.cell(reason)}" for reason, count in reasons]
    return lines


def say_verdict(result: Result) -> None:
    """Say what arrived, and name what did not."""
    found = result.arrival
    if found is None:
        console.say("Arrival was not checked.", style="dim")
        return
    for event_id in found.missing:
        console.say(f"missing    {event_id}", style="red")
    for event_id in found.doubled:
        console.say(f"doubled    {event_id}", style="red")
    if found.unknown:
        console.say(
            f"Of {found.unknown} reports without an answer {found.unknown_arrived} are stored.",
            style="dim",
        )
    if found.interrupted:
        console.say("Interrupted: arrival was not checked to its end.", style="yellow")
    elif found.lossy:
        console.say(_bad(found), style="bold red")
    elif found.accepted and not found.unreachable:
        console.say(
            f"Good: all {found.accepted} accepted reports are stored, once"
            f" ({found.waited_s:.1f} s after the load).",
            style="green",
        )


def _bad(found: Arrival) -> str:
    parts = []
    if found.missing_count:
        parts.append(f"{found.missing_count} of {found.accepted} accepted reports did not arrive")
    if found.doubled_count:
        parts.append(f"{found.doubled_count} are stored more than once")
    named = found.missing[0] if found.missing else found.doubled[0]
    return f"NOT GOOD: {' and '.join(parts)}; next: ugc status, ugc trace {named}"
