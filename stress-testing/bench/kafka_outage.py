"""Kafka to ClickHouse through an outage of the warehouse: memory, the way back, exactness.

`python -m bench.kafka_outage`: a real broker, a chdb-server and a pipeline as processes, on the
real tables. Single reports come at a steady rate through the log's writer, which packs them as
the API's. After a warm-up the warehouse is away for 15 minutes, killed in one trial and hanging
in another, and comes back with its data while the load goes on. A third trial allows the
pipeline a quarter of the memory for a third of the time: what is held follows the setting.

The way back counts from the moment that the warehouse can be asked again: the pipeline's wait
until its next try is part of it. Afterwards the ids in the view have to be the acknowledged
ones; otherwise the program exits with 3. Only a full run is kept as a result.

Baseline, in the same invocation: the same process before the outage, and the live rate.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from harness import kafka
from harness.acknowledged import Acknowledged
from harness.chart import Points, line_chart
from harness.etl_memory import MIB
from harness.kafka_pipeline import broker_version, record_count
from harness.outage import Marks, Standing, catch_up_figures, memory_figures
from harness.outage_stage import USUAL, Stage, Trial, staged
from harness.results import RESULTS, write
from harness.steady_load import SteadyLoad

from bench.kafka_etl import lines
from ugc_core.bootstrap import open_log_writer
from ugc_core.clock import SystemClock
from ugc_core.settings import LogSection

OUTAGE_S = 900.0
RATE = 2_000
WARM_UP_S = 60.0
EVERY_S = 2.0
ENDLESS = 50_000_000
TITLE = "Resident memory of ugc-etl; ClickHouse goes after {calm:.0f} s, for {outage:.0f} s"


TRIALS = (
    Trial(name="killed", words="killed"),
    Trial(name="hanging", words="hanging", hangs=True),
    Trial(
        name="killed_small",
        words="killed, small buffer",
        buffered_bytes=USUAL.max_buffered_bytes // 4,
        share=1 / 3,
    ),
)


async def live_through(
    stage: Stage, load: SteadyLoad, into: Acknowledged, *, outage_s: float, per_s: float
) -> tuple[Marks, Sequence[Standing]]:
    """Let the load run, the warehouse go, and come back under the same load."""
    calm_s = min(WARM_UP_S, outage_s / 3)
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(lines(ENDLESS)))
        watching = group.create_task(stage.watch(min(EVERY_S, outage_s / 40)))
        await asyncio.sleep(calm_s)
        down_s = time.monotonic()
        await stage.take_away()
        await asyncio.sleep(outage_s)
        await stage.bring_back()
        way = await stage.come_back(into, per_s)
        await asyncio.sleep(calm_s)
        watching.cancel()
        load.stop()
    return (
        Marks(
            began_s=began_s,
            down_s=down_s,
            back_s=way[0].at_s,
            caught_up_s=way[-1].at_s,
            ended_s=stage.samples[-1].at_s,
        ),
        way,
    )


async def play(
    trial: Trial, brokers: kafka.Brokers, folder: Path, *, outage_s: float, per_s: float
) -> tuple[dict[str, object], Points]:
    """Play one outage; return its figures, and resident memory by the second."""
    async with (
        staged(trial, brokers, folder) as stage,
        open_log_writer(stage.log, stage.log.topic, clock=SystemClock()) as writer,
    ):
        with Acknowledged(folder / "ids") as into:
            load = SteadyLoad(writer, into, per_s=per_s)
            marks, way = await live_through(
                stage, load, into, outage_s=outage_s * trial.share, per_s=per_s
            )
            verdict = await stage.verdict(into)
        records = await record_count(stage.log)
    figures: dict[str, object] = {
        "outage_s": round(marks.back_s - marks.down_s, 1),
        "max_buffered_bytes": trial.buffered_bytes,
        "waiting_at_most_mib": round(trial.buffered_bytes * stage.log.partitions / MIB, 1),
        "lines_a_record": round(verdict.acknowledged / records, 1),
        "appended_again": load.again,
        "memory": memory_figures(stage.samples, marks),
        "catch_up": catch_up_figures(way),
        "ids": msgspec.to_builtins(verdict),
        "exact": verdict.exact,
    }
    return figures, [(one.at_s - marks.began_s, one.rss_mib) for one in stage.samples]


def run(folder: Path, options: argparse.Namespace) -> bool:
    """Play the trials; return whether each was exact."""
    full = (options.outage_s, options.rate, options.only) == (OUTAGE_S, RATE, None)
    found: dict[str, object] = {
        "rate": options.rate,
        "partitions": LogSection().partitions,
        "bound": "etl.max_buffered_bytes, for each partition",
        "max_rows": USUAL.max_rows,
        "baseline": "the same process before the outage, and the live rate",
        "broker": broker_version(),
    }
    series: dict[str, Points] = {}
    exact = True
    with kafka.running(folder / "kafka", heap="512m") as brokers:
        for trial in (one for one in TRIALS if options.only in {None, one.name}):
            (folder / trial.name).mkdir()
            work = play(
                trial, brokers, folder / trial.name, outage_s=options.outage_s, per_s=options.rate
            )
            figures, series[trial.words] = asyncio.run(work)
            print(trial.name, json.dumps(figures, indent=2), flush=True)
            found[trial.name] = figures
            exact = exact and bool(figures["exact"])
            if full:  # after each: an hour's work is not lost with the last one
                write("kafka_outage", found)
                (RESULTS / "kafka_outage.svg").write_text(chart(series), "utf-8")
    return exact


def chart(series: Mapping[str, Points]) -> str:
    """Draw memory by time."""
    title = TITLE.format(calm=WARM_UP_S, outage=OUTAGE_S)
    return line_chart(series, title=title, across="seconds under load", up="MiB")


def main() -> int:
    """Play every trial; return 3 where what is stored is not what was acknowledged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--outage-s", type=float, default=OUTAGE_S)
    parser.add_argument("--rate", type=int, default=RATE, help="reports a second")
    parser.add_argument("--only", choices=[trial.name for trial in TRIALS])
    options = parser.parse_args()
    if why := kafka.absent():
        print(f"skipped: {why}")
        return 0
    with TemporaryDirectory(prefix="ugc-bench-") as folder:
        return 0 if run(Path(folder), options) else 3


if __name__ == "__main__":
    sys.exit(main())
