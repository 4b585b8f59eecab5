"""How many reports a second the whole system takes in, and whether the pipeline keeps up.

Everything runs as `ugc up` runs it; a load generator of its own process posts batches of
100. First as fast as the answers come, then at a steady rate for longer. Counted are the
reports answered 202, and what the warehouse's ledger has at the last answer.

Baseline, in the same invocation: the libraries alone, in one process and without HTTP,
tokens, checks or concurrency: the same lines decoded by msgspec, each batch committed by
apsw with an fsync, and 50,000 rows at a time inserted by asynch into the same warehouse.
"""

import asyncio
import time
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

import apsw
import msgspec
from harness.ledger import ingested, wait_until_ingested
from harness.load import Outcome, bodies
from harness.pressure import press
from harness.results import write
from harness.system import System, running_system

from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.bootstrap import open_warehouse
from ugc_core.codec import encode_event
from ugc_core.events import Event, Report
from ugc_core.warehouse import Warehouse
from ugc_etl.rows import Rows, Source

BATCH = 100
USERS = 8
FLAT_OUT = 300
STEADY_PER_S = 25_000
STEADY_S = 30
ALONE_BATCHES = 1000
CATCH_UP_S = 120
_PREPARE = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE record (value)"


def cpu_s(system: System) -> dict[str, float]:
    """Return the CPU that each process has used, in seconds."""
    return {
        name: sum(process.cpu_times()[:2]) for name, process in sorted(system.services().items())
    }


async def phase(
    system: System, warehouse: Warehouse, *, first: int, batches: int, per_s: float
) -> dict[str, object]:
    """Post, look at the ledger, wait until it has everything."""
    before, spent = await ingested(warehouse), cpu_s(system)
    outcome = await asyncio.to_thread(
        press, system, users=USERS, batch=BATCH, batches=batches, per_s=per_s, first=first
    )
    answered = time.perf_counter()
    lag = outcome.accepted - (await ingested(warehouse) - before)
    await wait_until_ingested(warehouse, before + outcome.accepted, within_s=CATCH_UP_S)
    behind_s = time.perf_counter() - answered
    used = {
        name: round((now - spent[name]) / outcome.accepted * 1e6, 2)
        for name, now in cpu_s(system).items()
    }
    return {
        "reports": outcome.accepted,
        "seconds": outcome.seconds,
        "accepted_per_s": round(outcome.accepted / outcome.seconds),
        "stored_per_s": round(outcome.accepted / (outcome.seconds + behind_s)),
        "lag_at_the_end": lag,
        "caught_up_after_s": round(behind_s, 2),
        "answer_ms": answers(outcome),
        "cpu_us_a_report": used,
        "generator_cpu_us_a_report": round(outcome.cpu_s / outcome.accepted * 1e6, 2),
    }


def answers(outcome: Outcome) -> dict[str, float]:
    """Return how long a batch waited for its answer."""
    ordered = sorted(outcome.answers_ms)
    return {
        "p50": median(ordered),
        "p99": ordered[int(len(ordered) * 0.99)],
        "max": ordered[-1],
    }


async def alone(warehouse: Warehouse, folder: Path) -> dict[str, float]:
    """Do the least that the libraries have to do for the same reports."""
    texts = [*islice(bodies(999, batch=BATCH, batches=ALONE_BATCHES), ALONE_BATCHES)]
    decoder = msgspec.json.Decoder(Report)
    began = time.perf_counter()
    for text in texts:
        decoder.decode_lines(text)
    decoded = time.perf_counter()
    db = apsw.Connection(str(folder / "alone.db"))
    for _ in db.execute(_PREPARE):
        pass
    opened = time.perf_counter()
    for text in texts:
        db.execute("INSERT INTO record VALUES (?)", (text,))
    committed = time.perf_counter()
    db.close()
    rows = Rows(0, events := [*map(_event, b"\n".join(texts).split(b"\n"))], _sources(events))
    parts = [rows.slice(start, start + 50_000) for start in range(0, len(rows), 50_000)]
    ready = time.perf_counter()
    for number, part in enumerate(parts):
        settings = {"insert_deduplication_token": f"alone {number}"}
        await warehouse.insert("views_raw", part.columns(), settings=settings)
    done = time.perf_counter()
    spent = (decoded - began) + (committed - opened) + (done - ready)
    return {
        "decoded_per_s": round(len(events) / (decoded - began)),
        "committed_per_s": round(len(events) / (committed - opened)),
        "inserted_per_s": round(len(events) / (done - ready)),
        "all_three_one_after_the_other_per_s": round(len(events) / spent),
    }


def _event(line: bytes) -> Event:
    now_ms = time.time_ns() // 1_000_000
    viewer = Viewer(user_id=UUID(int=999))
    return accept(parse_report(line), viewer, film_id=None, received_ms=now_ms, window=Window())


def _sources(events: list[Event]) -> list[Source]:
    return [Source(0, line, encode_event(event)) for line, event in enumerate(events)]


async def measure(system: System, folder: Path) -> dict[str, object]:
    """Warm up, then both phases, then the baseline."""
    async with open_warehouse(system.warehouse) as warehouse:
        await phase(system, warehouse, first=0, batches=20, per_s=0)
        flat_out = await phase(system, warehouse, first=100, batches=FLAT_OUT, per_s=0)
        steady = await phase(
            system,
            warehouse,
            first=200,
            batches=STEADY_PER_S * STEADY_S // BATCH // USERS,
            per_s=STEADY_PER_S,
        )
        floor = await alone(warehouse, folder)
    rate = msgspec.convert(flat_out["stored_per_s"], float)
    return {
        "users": USERS,
        "batch": BATCH,
        "flat_out": flat_out,
        "steady": steady,
        "baseline": "msgspec decodes, apsw commits, asynch inserts: one process, no HTTP",
        "alone": floor,
        "ratio": round(rate / floor["all_three_one_after_the_other_per_s"], 2),
        "resident_mib": system.resident_mib(),
    }


def main() -> None:
    """Measure on a system of its own."""
    with running_system() as system, TemporaryDirectory(dir=system.directory.root) as folder:
        figures = asyncio.run(measure(system, Path(folder)))
    print(write("ingestion", figures).read_text("utf-8"))


if __name__ == "__main__":
    main()
