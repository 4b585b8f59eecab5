"""The tables of figures that pages show, each made of a result file."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from harness import api_tables, kafka_tables
from harness.results import RESULTS


def result(name: str) -> Mapping[str, Any]:
    """Return a committed result."""
    found: Mapping[str, Any] = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    return found


def speed() -> str:
    """Return the table of start and freshness."""
    start, fresh = result("startup"), result("freshness")
    rows = ["| from … to … | median | p95 | baseline in the same run |", "|---|---|---|---|"]
    for what, times, found in (
        ("`ugc up` on an empty directory to the first 202", "first_report", start),
        ("POST to its resume point by GET", "post_to_resume_point", fresh),
    ):
        floor = f"{found['baseline']}: {_s(found['baseline_time'], 'p50_ms')}"
        rows.append(f"| {what} | {_s(found[times])} | {floor} |")
    return "\n".join([*rows, "", _where(fresh)])


def memory() -> str:
    """Return the table of memory by process."""
    fresh, movielens = result("freshness"), result("movielens")
    rows = [
        "| process | idle | after 200 viewers beside 50 reports/s | after the MovieLens run |",
        "|---|---|---|---|",
    ]
    for name, idle in fresh["resident_mib_idle"].items():
        after = fresh["resident_mib_after"][name]
        large = movielens["resident_mib"][name]
        rows.append(f"| {name} | {idle:.0f} MiB | {after:.0f} MiB | {large:.0f} MiB |")
    return "\n".join([*rows, "", _where(fresh)])


def movielens() -> str:
    """Return the table of the MovieLens run."""
    found = result("movielens")
    names = ("reports", "accepted", "stored", "users", "films", "resume_points", "differences")
    rows = ["| what | number |", "|---|---|"]
    rows += [f"| {name.replace('_', ' ')} | {found[name]:,} |" for name in names]
    rows.append(f"| reports a second, posting | {found['reports_per_s']:,} |")
    rows.append(f"| last report to stored | {found['last_report_to_stored_s']} s |")
    return "\n".join([*rows, "", _where(found)])


def native() -> str:
    """Return the table of chdb-server beside chDB alone."""
    found = result("native_protocol")
    server, alone = found["server"], found["alone"]
    rows = [
        "| what | chdb-server | chDB alone |",
        "|---|---|---|",
        f"| `SELECT 1` | {server['select_1_ms']} ms | {alone['select_1_ms']} ms |",
        f"| INSERT of one row | {server['insert_1_row_ms']} ms | {alone['insert_1_row_ms']} ms |",
        f"| rows a second, in INSERTs of 50,000 | {server['insert_rows_per_s']:,} | |",
    ]
    idle, after = server["resident_mib_idle"], server["resident_mib_after"]
    rows.append(f"| resident memory, idle and after | {idle} MiB, {after} MiB | |")
    return "\n".join([*rows, "", _where(found)])


def sessions(name: str = "movielens_sessions", killed: str = "SIGKILLs of `ugc up`; down") -> str:
    """Return the table of the MovieLens sittings.

    Args:
        name: Which result.
        killed: What was killed.
    """
    found = result(name)
    names = ("ratings", "users", "viewers", "films", "reports", "repeated", "stored")
    rows = ["| what | number |", "|---|---|"]
    rows += [f"| {name} | {found[name]:,} |" for name in names]
    down_s = found["down_s"]
    rows += [
        f"| requests | {found['requests']:,} |",
        f"| requests of one report | {found['single_reports']:,} |",
        f"| {killed} for | {found['kills']}; {min(down_s)} to {max(down_s)} s |",
        f"| requests sent again | {sum(found['retried'].values()):,} |",
        f"| resume points | {found['resume_points']:,} |",
        f"| buckets of curves | {found['curve_buckets']:,} |",
        f"| numbers compared with the oracle | {found['numbers']:,} |",
        f"| **differences** | **{found['differences']}** |",
    ]
    return "\n".join([*rows, "", _where(found)])


def ingestion() -> str:
    """Return the table of ingestion through HTTP."""
    found = result("ingestion")
    rows = ["| batches of 100, 8 users | as fast as it goes | at a steady rate |", "|---|---|---|"]
    both = found["flat_out"], found["steady"]
    for name, words in (
        ("reports", "reports"),
        ("accepted_per_s", "accepted a second"),
        ("stored_per_s", "accepted and stored a second"),
        ("lag_at_the_end", "reports not yet stored at the last answer"),
        ("caught_up_after_s", "seconds until they were"),
    ):
        rows.append("| " + " | ".join([words, *(f"{one[name]:,}" for one in both)]) + " |")
    for name, words in (("p50", "median"), ("p99", "99th percentile")):
        times = (f"{one['answer_ms'][name]:.1f} ms" for one in both)
        rows.append(f"| a batch's answer, {words} | {' | '.join(times)} |")
    for name in found["flat_out"]["cpu_us_a_report"]:
        costs = (f"{one['cpu_us_a_report'][name]} us" for one in both)
        rows.append(f"| CPU a report, {name} | {' | '.join(costs)} |")
    alone = found["alone"]["all_three_one_after_the_other_per_s"]
    rows += ["", f"Baseline in the same run, {found['baseline']}: {alone:,} reports a second;"]
    rows.append(f"the whole system, flat out, does {found['ratio']} times as many.")
    return "\n".join([*rows, "", _where(found)])


def sqlite_log() -> str:
    """Return the table of the SQLite log beside apsw."""
    found = result("sqlite_log")
    plain, packed = found["alone_commits_per_s"], found["alone_packed_commits_per_s"]
    rounds = f"median of {found['rounds']} rounds"
    lines, callers, ours = found["lines_a_group"], found["callers"], found["commits_per_s"]
    rows = [
        "| what | SqliteLogWriter | apsw alone, a row a line | apsw alone, packed alike |",
        "|---|---|---|---|",
        f"| commits a second, {lines} lines each | {ours:,} | {plain:,} | {packed:,} |",
        f"| appends a second, {callers} callers | {found['appends_per_s']:,} | | |",
        f"| writer's commits to these, {rounds} | | {found['ratio']} | {found['ratio_packed']} |",
    ]
    return "\n".join([*rows, "", _where(found)])


def exactness() -> str:
    """Return the table of what exactness costs."""
    found = result("exactness")
    words = {
        "intent": "intent: the next batch's range in the commit",
        "content_hash": "content hash",
        "identity": "identity: the row's version",
        "ledger": "ledger entry",
        "token": "deduplication token",
    }
    rows = ["| safeguard | CPU a row |", "|---|---|"]
    rows += [f"| {words[name]} | {us:.3f} us |" for name, us in found["cpu_us_a_row"].items()]
    rows.append(f"| **all of them** | **{found['cpu_us_a_row_in_all']:.3f} us** |")
    rows.append(f"| baseline: {found['baseline']} | {found['baseline_us_a_row']:.3f} us |")
    rows.append(f"| share | {found['share_of_baseline']:.1%} |")
    return "\n".join([*rows, "", _where(found)])


def long_memory() -> str:
    """Return the table of memory over many reports."""
    found = result("memory")
    rows = [
        f"| process | idle | second tenth of {found['events']:,} reports | last tenth | most |",
        "|---|---|---|---|---|",
    ]
    columns = ("idle", "second_tenth", "last_tenth", "most")
    for name in found["resident_mib_idle"]:
        sizes = (f"{found[f'resident_mib_{column}'][name]:.0f} MiB" for column in columns)
        rows.append(f"| {name} | {' | '.join(sizes)} |")
    return "\n".join([*rows, "", _where(found)])


def kafka(name: str, rows: Callable[[Mapping[str, Any]], Sequence[str]]) -> str:
    """Return a table about Kafka.

    Args:
        name: Which result.
        rows: Makes its rows.
    """
    found = result(name)
    return "\n".join([*rows(found), "", _where(found)])


def fuzz() -> str:
    """Return the table of the fuzzer's long run."""
    found = result("fuzz")
    rows = ["| what | number |", "|---|---|"]
    rows += [f"| {name} | {found[name]:,} |" for name in ("operations", "requests", "findings")]
    rows.append(f"| seed | {found['seed']} |")
    rows.append(f"| Schemathesis | {found['schemathesis']} |")
    return "\n".join([*rows, "", _where(found)])


TABLES: Mapping[str, Callable[[], str]] = {
    "speed": speed,
    "fuzz": fuzz,
    "memory": memory,
    "movielens": movielens,
    "native": native,
    "sessions": sessions,
    "ingestion": ingestion,
    "sqlite log": sqlite_log,
    "exactness": exactness,
    "long memory": long_memory,
    "kafka sessions": partial(sessions, "movielens_kafka", "SIGKILLs of a broker; gone"),
    "api singles": partial(kafka, "api_singles", api_tables.single_rows),
    "api steps": partial(kafka, "api_steps", api_tables.step_rows),
    "api batches": partial(kafka, "api_batches", api_tables.batch_rows),
    "api open loop": partial(kafka, "api_open_loop", api_tables.open_loop_rows),
    "api overload": partial(kafka, "api_overload", api_tables.overload_rows),
    "api memory": partial(kafka, "api_memory", api_tables.memory_rows),
    "api servers": partial(kafka, "api_servers", api_tables.server_rows),
    "kafka etl": partial(kafka, "kafka_etl", kafka_tables.etl_rows),
    "kafka outage": partial(kafka, "kafka_outage", kafka_tables.outage_rows),
    "kafka scaling": partial(kafka, "kafka_scaling", kafka_tables.scaling_rows),
}


def _s(times: Mapping[str, float], *keys: str) -> str:
    chosen = keys or ("p50_ms", "p95_ms")
    return " | ".join(f"{times[key] / 1000:.2f} s" for key in chosen)


def _where(found: Mapping[str, Any]) -> str:
    at = found["machine"]
    return (
        f"{found['date']}, {at['processor']}, {at['cores']} cores, {at['memory_gib']} GiB,"
        f" {at['system']}, Python {at['python']}, chDB {found['versions']['chdb-core']}."
    )
