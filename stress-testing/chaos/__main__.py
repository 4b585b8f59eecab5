"""The fault matrix against real processes: `nox -s chaos`, with `-- --long` for the long form.

The long form plays every row with 100,000 reports and several seeds, and writes
results/chaos.json and chaos.md after each run; started again, it goes on where it was.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from harness.results import RESULTS, write

from chaos.judge import Difference
from chaos.matrix import ROWS, Row
from chaos.report import Report, run_name
from chaos.rows.disks import NeedsRootError
from chaos.trial import Stage, Verdict

LONG_EVENTS, SHORT_EVENTS = 100_000, 300
_QUIET_S = 2.0
_LOSS_FOUND = 3
_PREFACE = """\
Written by `nox -s chaos -- --long`: real processes in embedded mode, with traffic before, during
and after each fault. **Lost** is accepted and not stored, **phantom** is stored and not sent,
**doubled** is stored twice: sets of ids, never counts. Other differences are any row's content,
playback ledger, resume point, audience number, pipeline ledger or dead letter that is not as plain
Python computes it from the senders' journal, a service that holds a tenth more memory at the end
than before the first fault, a recovery that takes over a minute, and whatever a row expects
besides. The rows that concern the pipeline are played without deduplication tokens, too
([chaos.json](chaos.json): `no tokens`, and the commit of each run). **In earlier tries** counts
runs that differed and were played again; what they found is kept there."""


def planned(options: argparse.Namespace) -> Sequence[tuple[Row, int, bool]]:
    """Name the runs in order: every row once, then with the other seeds."""
    rows = [row for row in ROWS if not options.rows or row.name in options.rows.split(",")]
    seeds = options.seeds if options.long else 1
    runs = [(row, seed, tokens) for row in rows for seed, tokens in row.runs if seed <= seeds]
    return sorted(runs, key=lambda run: run[1])


def play(row: Row, seed: int, *, tokens: bool, long: bool) -> Verdict:
    """Play one run in a directory of its own."""
    events = LONG_EVENTS if long else SHORT_EVENTS
    with tempfile.TemporaryDirectory(prefix="ugc-chaos-") as folder:
        stage = Stage(folder=Path(folder), events=events, seed=seed, long=long, tokens=tokens)
        try:
            return asyncio.run(_awaited(row, stage))
        except NeedsRootError:
            raise
        except Exception as error:  # whatever it is: it belongs into the report
            return Verdict(figures={}, differences=[Difference("broke off", repr(error))])


async def _awaited(row: Row, stage: Stage) -> Verdict:
    return await row.play(stage)


def main() -> int:
    """Play what is not done yet; exit 3 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="100,000 reports a run, all seeds")
    parser.add_argument("--rows", help="only these, such as 8,22a")
    parser.add_argument("--seeds", type=int, default=5, help="at most so many seeds a row")
    parser.add_argument("--again", action="store_true", help="play what is done, too")
    options = parser.parse_args()
    path = RESULTS / "chaos.json"
    report = Report.at(path) if options.long else Report()
    wrong = 0
    for row, seed, tokens in planned(options):
        name = run_name(row, seed, tokens=tokens)
        if report.done(name) and not options.again:
            continue
        began = time.monotonic()
        try:
            verdict = play(row, seed, tokens=tokens, long=options.long)
        except NeedsRootError as error:
            print(f"{name:<24} skipped: needs root ({error})", flush=True)
            continue
        took_s = time.monotonic() - began
        report.add(name, verdict, took_s=took_s)
        wrong += bool(verdict.differences)
        print(f"{name:<24} {took_s:6.1f} s  {len(verdict.differences)} differences", flush=True)
        for kind, what in verdict.differences[:5]:
            print(f"  {kind}: {what[:300]}", file=sys.stderr, flush=True)
        if options.long:
            write("chaos", {"reports_a_run": LONG_EVENTS, "runs": report.runs})
            page = f"# Chaos report\n\n{_PREFACE}\n\n{report.table(ROWS)}\n"
            path.with_suffix(".md").write_text(page, "utf-8")
            time.sleep(_QUIET_S)
    return _LOSS_FOUND if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
