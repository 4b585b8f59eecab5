"""The tables of figures in the READMEs, made from the result files.

`python -m harness.report` writes them between their marks; with `--check` it changes
nothing and fails where a table is not what the results say.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from harness.results import RESULTS

ROOT = RESULTS.parents[1]
PAGES = ("README.md", "stress-testing/README.md", "packages/chdb-server/README.md")
_START = "<!-- figures: {name} -->"
_END = "<!-- end of figures -->"


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


TABLES: Mapping[str, Callable[[], str]] = {
    "speed": speed,
    "memory": memory,
    "movielens": movielens,
    "native": native,
}


def filled(text: str) -> str:
    """Return a page with every table as the results say."""
    for name, table in TABLES.items():
        start = _START.format(name=name)
        before, mark, rest = text.partition(start)
        if mark:
            _, end, after = rest.partition(_END)
            if not end:
                msg = f"{start} has no {_END}"
                raise ValueError(msg)
            text = f"{before}{start}\n{table()}\n{end}{after}"
    return text


def stale() -> list[str]:
    """Return the pages whose tables are not what the results say."""
    pages = {page: (ROOT / page).read_text("utf-8") for page in PAGES}
    return [page for page, text in pages.items() if filled(text) != text]


def _s(times: Mapping[str, float], *keys: str) -> str:
    chosen = keys or ("p50_ms", "p95_ms")
    return " | ".join(f"{times[key] / 1000:.2f} s" for key in chosen)


def _where(found: Mapping[str, Any]) -> str:
    at = found["machine"]
    return (
        f"{found['date']}, {at['processor']}, {at['cores']} cores, {at['memory_gib']} GiB,"
        f" {at['system']}, Python {at['python']}, chDB {found['versions']['chdb-core']}."
    )


def main() -> int:
    """Write or check the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if stale")
    if parser.parse_args().check:
        for page in stale():
            print(f"{page}: a table is stale; run `python -m harness.report`", file=sys.stderr)
        return 1 if stale() else 0
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
