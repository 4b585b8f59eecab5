"""Kafka to ClickHouse by one pipeline and by two of the same group: does the work divide?

`python -m bench.kafka_scaling`: the same backlog, as one report a record and as the packs of
the log's writer, is read to its end by one process and by two, in turns, into tables of its
own. The broker lets a new group wait until both have joined, so that the partitions are shared
out once; the clock runs from the moment when each process has its part until the last batch is
in the ledger.

What can be measured on two cores that broker and ClickHouse use, too? Three things:

- as the machine is (`free`): rows a second of two processes to one's. `cores` says how much of
  the machine was busy: with nearly all of it busy the machine is the limit, not the pipeline.
- as if each pipeline had a small machine of its own (`slow`): every process may use a share of
  one core, by stopping it and letting it go on by turns, never two at once. Broker and
  ClickHouse have the rest. The pipelines are then what everything waits for, so this ratio is
  how the pipeline itself scales. `etl_cores` is what they have really used.
- CPU a row of the pipelines: if two take no more for a row than one, the work divides.

Two processes cannot be quicker than 1 / `largest_share`, the larger part of the rows, which
follows from the keys. After each run the ids in the view have to be the acknowledged ones, each
once; otherwise the program exits with 3. Only a full run is kept as a result.

Baseline, in the same invocation: one process.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
from harness import kafka
from harness.acknowledged import Acknowledged
from harness.drain import Bench, Drained, UnevenError
from harness.kafka_pipeline import broker_version, record_count, topic
from harness.results import write
from harness.steady_load import SteadyLoad
from msgspec.structs import replace

from bench.kafka_etl import lines
from bench.native_protocol import server
from ugc_core.bootstrap import open_log_writer
from ugc_core.clock import SystemClock
from ugc_core.settings import LogSection

ROWS = 800_000
"""Many, since the last batches wait half a second for company that never comes."""
FILL_PER_S = 10_000
ROUNDS = 3
TRIES = 3
SHARE = 0.25
JOINING_MS = 4000
"""How long the broker lets a new group wait for more members, in milliseconds."""
PACKED = LogSection().pack_lines
SHAPES = {"singles": 1, "packs": PACKED}
"""Most lines in a record."""
SPEEDS = {"free": None, "slow": SHARE}


async def fill(log: LogSection, into: Acknowledged, rows: int) -> float:
    """Append reports at a steady rate; return how many share a record."""
    async with open_log_writer(log, log.topic, clock=SystemClock()) as writer:
        load = SteadyLoad(writer, into, per_s=FILL_PER_S)
        await load.run(islice(lines(rows), rows))
    return rows / await record_count(log)


async def compare(
    bench: Bench, log: LogSection, into: Acknowledged, rounds: int
) -> dict[str, dict[int, list[Drained]]]:
    """Read the topic with one and with two, fast and slow, in turns."""
    found: dict[str, dict[int, list[Drained]]] = {speed: {1: [], 2: []} for speed in SPEEDS}
    for turn in range(rounds):
        for speed, share in SPEEDS.items():
            for many in (1, 2):
                named = replace(log, group=f"{log.topic}-{speed}-{many}-{turn}")
                run = await drained(bench, named, into, many=many, share=share)
                print(f"{named.group:<20} {run.rows_per_s:>9,.0f} rows/s {run.ids}", flush=True)
                found[speed][many].append(run)
    return found


async def drained(
    bench: Bench, log: LogSection, into: Acknowledged, *, many: int, share: float | None
) -> Drained:
    """Read the topic once, with another group where the first one was not shared out evenly."""
    for again in range(TRIES - 1):
        try:
            named = replace(log, group=f"{log.group}-{again}")
            return await bench.drain(named, into, many=many, share=share)
        except UnevenError as error:
            print(f"once more: {error}", file=sys.stderr)
    return await bench.drain(log, into, many=many, share=share)


def of_many(runs: Sequence[Drained]) -> dict[str, object]:
    """Return the medians of some runs."""
    return {
        "rows_per_s": round(median(run.rows_per_s for run in runs)),
        "etl_cpu_us_a_row": round(median(run.us_a_row for run in runs), 2),
        "server_cpu_us_a_row": round(median(run.server_cpu_s / run.rows for run in runs) * 1e6, 2),
        "broker_cpu_us_a_row": round(median(run.broker_cpu_s / run.rows for run in runs) * 1e6, 2),
        "etl_cores": round(median(sum(run.etl_cpu_s) / run.seconds for run in runs), 2),
        "cores": round(median(run.cores for run in runs), 2),
        "largest_share": round(max(run.largest_share for run in runs), 3),
        "all_rows_per_s": [round(run.rows_per_s) for run in runs],
    }


def scaling(runs: dict[int, list[Drained]]) -> dict[str, object]:
    """Return what one and two did, and the ratios, which are medians of the rounds'."""
    pairs = [*zip(runs[1], runs[2], strict=True)]
    return {
        "one": of_many(runs[1]),
        "two": of_many(runs[2]),
        "rows_per_s_ratio": round(median(b.rows_per_s / a.rows_per_s for a, b in pairs), 2),
        "cpu_a_row_ratio": round(median(b.us_a_row / a.us_a_row for a, b in pairs), 2),
    }


async def run(
    brokers: kafka.Brokers, bench: Bench, options: argparse.Namespace
) -> tuple[dict[str, object], bool]:
    """Fill and read the topics; return the figures, and whether each run was exact."""
    found: dict[str, object] = {
        "rows": options.rows,
        "rounds": options.rounds,
        "partitions": LogSection().partitions,
        "share_of_a_core": SHARE,
        "baseline": "one process, in the same turns",
        "broker": broker_version(),
    }
    every: list[Drained] = []
    for shape, pack_lines in SHAPES.items():
        log = replace(await topic(brokers.url, shape), pack_lines=pack_lines)
        with Acknowledged(bench.folder / shape) as into:
            size = await fill(log, into, options.rows)
            runs = await compare(bench, log, into, options.rounds)
        found[shape] = {
            "lines_a_record": round(size, 1),
            **{speed: scaling(drained) for speed, drained in runs.items()},
        }
        every += [one for drained in runs.values() for many in drained.values() for one in many]
    for name in ("stored", "missing", "foreign", "twice", "hidden"):
        found[name] = sum(getattr(one.ids, name) for one in every)
    return {**found, "runs": len(every)}, all(one.ids.exact for one in every)


def main() -> int:
    """Measure on a broker and a server of their own; say why not where Kafka is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="reports in each backlog")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    if why := kafka.absent():
        print(f"skipped: {why}")
        return 0
    waiting = {"group.initial.rebalance.delay.ms": str(JOINING_MS)}
    with (
        TemporaryDirectory(prefix="ugc-bench-") as folder,
        kafka.running(Path(folder) / "kafka", heap="512m", settings=waiting) as brokers,
        server() as (port, warehouse),
    ):
        bench = Bench(folder=Path(folder), port=port, server=warehouse, broker=broker_process())
        figures, exact = asyncio.run(run(brokers, bench, options))
    if (options.rows, options.rounds) == (ROWS, ROUNDS):
        write("kafka_scaling", figures)
    print(json.dumps(figures, indent=2))
    return 0 if exact else 3


def broker_process() -> psutil.Process:
    """Return the broker, a child of this process."""
    return next(one for one in psutil.Process().children() if "kafka.Kafka" in one.cmdline())


if __name__ == "__main__":
    sys.exit(main())
