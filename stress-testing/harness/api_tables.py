"""The rows of the tables about the hot path of ugc-api, each made of a result."""

from collections.abc import Mapping
from typing import Any

Found = Mapping[str, Any]

_WAYS = {
    "ugc_api": "**ugc-api**",
    "noop": "a bare ASGI no-op on the same server (uvicorn, httptools, uvloop)",
    "noop_h11": "the same no-op, uvicorn on h11",
    "bare": "a bare ASGI endpoint: the body by `send_and_wait`, no token, no check",
    "fastapi": "the plain way: FastAPI, Pydantic, `Depends` for the token, `send_and_wait`",
}

_STEPS = {
    "noop": "uvicorn's no-op: requests read, a fixed answer written",
    "served": "the service's own HTTP: bounds, deadlines, admission, the address's limit",
    "answered": "the write route: request id, counts, the answer's head",
    "checked": "the token, the report decoded, checked and made a line, its answer",
    "ugc_api": "**the log: Kafka has it**",
}


def single_rows(found: Found) -> list[str]:
    """Return requests a second and CPU of every way to take single reports in."""
    rows = [
        "| single reports | requests/s | CPU a request | p99 | ugc-api does | at its CPU times |",
        "|---|---|---|---|---|---|",
    ]
    for name, words in _WAYS.items():
        one = found["ways"][name]
        beside = found["ours_to"].get(name)
        rate, cpu = (_ranged(one, key) for key in ("per_s", "cpu_us_a_request"))
        cells = [words, rate, f"{cpu} us", f"{one['p99_ms']:.1f} ms"]
        cells += [_ranged(beside, key) for key in ("per_s", "cpu")] if beside else ["", ""]
        rows.append(_row(cells))
    kept = [one for one in found["ways"].values() if one["kept"]]
    asked, there = (sum(one[key] for one in kept) for key in ("requests", "kept"))
    said = (
        f"{found['connections']} connections, {found['broker']}; medians of {found['rounds']}"
        f" rounds of {found['seconds']:g} s, all ways in turns; in brackets the least and the most."
    )
    proof = (
        f"{asked:,} requests were answered 202 by those that keep reports; the log has {there:,}:"
        " these, and what was under way when a round ended."
    )
    return [*rows, "", said, proof]


def step_rows(found: Found) -> list[str]:
    """Return what each part of the work on a single report costs."""
    rows = ["| what is done | CPU a request | more than above |", "|---|---|---|"]
    before: float | None = None
    for name, words in _STEPS.items():
        one = found["ways"][name]
        cpu = one["cpu_us_a_request"]
        more = "" if before is None else f"{cpu - before:.1f} us"
        rows.append(_row([words, f"{_ranged(one, 'cpu_us_a_request')} us", more]))
        before = cpu
    said = f"Medians of {found['rounds']} rounds of {found['seconds']:g} s, all in turns."
    return [*rows, "", said]


def batch_rows(found: Found) -> list[str]:
    """Return reports a second in batches."""
    cost = found["cpu_us_a_request"] / found["batch"]
    waited = f"{found['p50_ms']:.1f} ms, {found['p99_ms']:.1f} ms"
    return [
        f"| batches of {found['batch']} | figure |",
        "|---|---|",
        f"| reports a second, acknowledged by Kafka | {_ranged(found, 'per_s')} |",
        f"| CPU a report | {cost:.1f} us |",
        f"| a batch's answer, median and 99th percentile | {waited} |",
    ]


def open_loop_rows(found: Found) -> list[str]:
    """Return answers at a fixed rate."""
    times = ", ".join(f"{found[key]} ms" for key in ("p50_ms", "p99_ms", "p999_ms", "max_ms"))
    return [
        "| single reports at a fixed rate | figure |",
        "|---|---|",
        f"| the most a second, 64 connections, closed loop | {found['most_per_s']:,} |",
        f"| offered a second, {found['share']:.0%} of it | {found['offered_per_s']:,} |",
        f"| answers: p50, p99, p99.9, most | {times} |",
        f"| requests that were not answered 202 | {found['errors']:,} |",
    ]


def middle_round(found: Found) -> Found:
    """Return the round of an overload that accepted neither most nor least of what it could."""
    rounds: list[Found] = sorted(found["rounds"], key=lambda one: one["accepted_to_most"])
    return rounds[len(rounds) // 2]


def overload_rows(found: Found) -> list[str]:
    """Return what becomes of ten times as many requests as can be answered."""
    middle = middle_round(found)
    refused = {
        f"answers {status}, from when it was sent: p50, p99": (
            f"{took['p50_ms']} ms, {took['p99_ms']} ms"
        )
        for status, took in sorted(middle["refused"].items())
    }
    rows = {
        "the most a second, 64 connections, closed loop": f"{middle['most_per_s']:,}",
        "offered a second": f"{middle['offered_per_s']:,}",
        "accepted a second": f"{middle['accepted_per_s']:,}",
        "accepted to the most, before and afterwards": f"**{middle['accepted_to_most']}**",
        "refused a second": f"{middle['refused_per_s']:,}",
        **refused,
        f"found none of {found['connections']:,} connections free within"
        f" {found['patience_s']:g} s": f"{middle['unsent']:,}",
        "broken off, without an answer": f"{middle['broken']:,}, {middle['unanswered']:,}",
        "the most a second afterwards": f"{middle['afterwards_per_s']:,}",
    }
    return [
        "| ten times as many as can be answered | figure |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in rows.items()),
    ]


def memory_rows(found: Found) -> list[str]:
    """Return memory over millions of single reports."""
    return [
        f"| ugc-api over {found['reports']:,} single reports | resident memory |",
        "|---|---|",
        f"| idle | {found['resident_mib_idle']:.0f} MiB |",
        f"| second tenth | {found['resident_mib_second_tenth']:.1f} MiB |",
        f"| last tenth | {found['resident_mib_last_tenth']:.1f} MiB |",
        f"| most | {found['resident_mib_most']:.1f} MiB |",
    ]


def server_rows(found: Found) -> list[str]:
    """Return uvicorn beside granian."""
    servers: Mapping[str, Found] = found["servers"]
    table: dict[str, list[str]] = {
        "single reports a second": [_ranged(one, "per_s") for one in servers.values()],
        "CPU a request": [f"{one['cpu_us_a_request']:.0f} us" for one in servers.values()],
        "p99, 64 connections": [f"{one['p99_ms']:.1f} ms" for one in servers.values()],
        "resident memory": [f"{one['resident_mib']:.0f} MiB" for one in servers.values()],
    }
    for words, key in (
        ("SIGTERM under load: answered", "answered"),
        ("sent before it, unanswered", "unanswered_before"),
        ("sent after it, unanswered", "unanswered_after"),
        ("answered 202 and not in the log", "lost"),
    ):
        table[words] = [f"{sum(e[key] for e in one['ends']):,}" for one in servers.values()]
    table["exit code"] = [
        ", ".join(sorted({str(e["exit_code"]) for e in one["ends"]})) for one in servers.values()
    ]
    table["seconds to its end, most"] = [
        f"{max(e['seconds'] for e in one['ends'])}" for one in servers.values()
    ]
    for manner in next(iter(servers.values()))["manners"]:
        table[manner] = [one["manners"][manner] for one in servers.values()]
    names = [name if name != "granian" else f"granian {found['granian']}" for name in servers]
    rows = [_row(["", *names]), "|---" * (len(names) + 1) + "|"]
    return [*rows, *(_row([words, *cells]) for words, cells in table.items())]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ranged(one: Found, key: str) -> str:
    """Return a median, and from where to where the rounds went."""
    rounds = one[f"{key}_rounds"]
    if len(rounds) == 1:
        return f"{one[key]:,}"
    return f"{one[key]:,} ({min(rounds):,} to {max(rounds):,})"
