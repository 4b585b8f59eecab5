"""The fault matrix against real processes: `nox -s chaos`, with `-- --long` for the long form.

The long form plays every row with 100,000 reports and several seeds, and writes
results/chaos.json and chaos.md after each run; started again, it goes on where it was. With
`--log kafka` it plays the rows that concern Kafka on three real brokers, and writes
results/chaos_kafka.json and chaos_kafka.md.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.kafka import NoKafkaError
from harness.results import RESULTS, write

from chaos.cluster import Cluster, running_cluster
from chaos.judge import Difference
from chaos.matrices import MATRICES
from chaos.matrix import Row
from chaos.report import Report, run_name
from chaos.rows.disks import NeedsRootError
from chaos.trial import Stage, Verdict

LONG_EVENTS, SHORT_EVENTS = 100_000, 300
_QUIET_S = 2.0
_FAILED, _LOSS_FOUND = 1, 3


def planned(options: argparse.Namespace) -> Sequence[tuple[Row, int, bool]]:
    """Name the runs in order: every row once, then with the other seeds."""
    rows = MATRICES[options.log].rows
    rows = [row for row in rows if not options.rows or row.name in options.rows.split(",")]
    seeds = options.seeds if options.long else 1
    runs = [(row, seed, tokens) for row in rows for seed, tokens in row.runs if seed <= seeds]
    return sorted(runs, key=lambda run: run[1])


def play(row: Row, seed: int, *, tokens: bool, long: bool, cluster: Cluster | None) -> Verdict:
    """Play one run in a directory of its own."""
    events = LONG_EVENTS if long else SHORT_EVENTS
    with tempfile.TemporaryDirectory(prefix="ugc-chaos-") as folder:
        stage = Stage(
            folder=Path(folder),
            events=events,
            seed=seed,
            long=long,
            tokens=tokens,
            cluster=cluster,
        )
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
    parser.add_argument("--log", choices=[*MATRICES], default="file", help="on which log")
    parser.add_argument("--rows", help="only these, such as 8,22a")
    parser.add_argument("--seeds", type=int, default=5, help="at most so many seeds a row")
    parser.add_argument("--again", action="store_true", help="play what is done, too")
    options = parser.parse_args()
    try:
        with _brokers(options) as cluster:
            return _LOSS_FOUND if play_all(options, cluster) else 0
    except NoKafkaError as error:
        print(f"no Kafka here: {error}", file=sys.stderr)
        return _FAILED


@contextmanager
def _brokers(options: argparse.Namespace) -> Iterator[Cluster | None]:
    """Start what the runs share."""
    if options.log == "file":
        yield None
        return
    with (
        tempfile.TemporaryDirectory(prefix="ugc-chaos-brokers-") as folder,
        running_cluster(Path(folder), long=options.long) as cluster,
    ):
        yield cluster


def play_all(options: argparse.Namespace, cluster: Cluster | None) -> int:
    """Play what is not done yet; return how many runs differed."""
    matrix = MATRICES[options.log]
    path = RESULTS / f"{matrix.name}.json"
    report = Report.at(path) if options.long else Report()
    wrong = 0
    for row, seed, tokens in planned(options):
        name = run_name(row, seed, tokens=tokens)
        if report.done(name) and not options.again:
            continue
        began = time.monotonic()
        try:
            verdict = play(row, seed, tokens=tokens, long=options.long, cluster=cluster)
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
            write(matrix.name, {"reports_a_run": LONG_EVENTS, "runs": report.runs})
            page = f"# {matrix.title}\n\n{matrix.preface}\n\n{report.table(matrix.rows)}\n"
            path.with_suffix(".md").write_text(page, "utf-8")
            time.sleep(_QUIET_S)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
