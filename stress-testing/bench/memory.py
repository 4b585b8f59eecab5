"""Resident memory of every process while many reports go through: is it flat?

`python -m bench.memory --events 10000000`. Batches of 500 as fast as the answers come, by a
generator of its own process; once a second each process is looked at. The figures compare
the second tenth of the run with the last: the first one fills caches.

Baseline, in the same invocation: the same processes idle, before the first report.
"""

import argparse
import asyncio
import threading
import time
from statistics import median

from harness.chart import line_chart
from harness.ledger import ingested
from harness.load import Outcome
from harness.pressure import press
from harness.results import RESULTS, write
from harness.system import System, running_system

from ugc_core.bootstrap import open_warehouse

DEFAULT_EVENTS = 10_000_000
BATCH = 500
USERS = 8
EVERY_S = 1.0
CATCH_UP_S = 300
Sample = tuple[int, dict[str, float]]


async def watch(system: System, events: int) -> tuple[list[Sample], Outcome]:
    """Look at every process until all reports are stored."""
    outcome: list[Outcome] = []
    batches = events // (BATCH * USERS)

    def work() -> None:
        outcome.append(press(system, users=USERS, batch=BATCH, batches=batches))

    thread = threading.Thread(target=work)
    samples: list[Sample] = []
    async with open_warehouse(system.warehouse) as warehouse:
        thread.start()
        give_up = None
        while thread.is_alive() or samples[-1][0] < batches * BATCH * USERS:
            await asyncio.sleep(EVERY_S)
            samples.append((await ingested(warehouse), system.resident_mib()))
            if not thread.is_alive():
                give_up = give_up or time.monotonic() + CATCH_UP_S
                if time.monotonic() > give_up or not outcome:
                    msg = f"the pipeline stands at {samples[-1][0]:,} of {events:,}"
                    raise RuntimeError(msg)
    thread.join()
    return samples, outcome[0]


def tenth(samples: list[Sample], number: int) -> dict[str, float]:
    """Return the median of each process in one tenth of the run, by reports stored."""
    most = samples[-1][0]
    chosen = [mib for at, mib in samples if number <= 10 * at / most <= number + 1]
    return {name: median(mib[name] for mib in chosen) for name in chosen[0]}


def main() -> None:
    """Measure on a system of its own; write the figures and the chart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=DEFAULT_EVENTS)
    events = parser.parse_args().events
    with running_system() as system:
        idle = system.resident_mib()
        samples, outcome = asyncio.run(watch(system, events))
    early, late = tenth(samples, 1), tenth(samples, 9)
    figures: dict[str, object] = {
        "events": outcome.accepted,
        "seconds": outcome.seconds,
        "accepted_per_s": round(outcome.accepted / outcome.seconds),
        "baseline": "the same processes idle, before the first report",
        "resident_mib_idle": idle,
        "resident_mib_second_tenth": early,
        "resident_mib_last_tenth": late,
        "resident_mib_most": {name: max(mib[name] for _, mib in samples) for name in early},
        "growth": {name: round(late[name] / early[name], 2) for name in early},
    }
    series = {name: [(at / 1e6, mib[name]) for at, mib in samples] for name in early}
    title = f"Resident memory while {outcome.accepted:,} reports go through"
    chart = line_chart(series, title=title, across="million reports stored", up="MiB")
    (RESULTS / "memory.svg").write_text(chart, "utf-8")
    print(write("memory", figures).read_text("utf-8"))


if __name__ == "__main__":
    main()
