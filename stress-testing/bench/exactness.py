"""What exactness costs: CPU a row of each safeguard, beside the same rows with none of them.

The pipeline's own parts work on batches of 20,000 lines against a chdb-server and a SQLite
log of their own. Counted is CPU, of this process and of the server, not time: a wait for the
disk costs nobody anything. Variants take turns, the median counts.

Baseline, in the same invocation: the batch decoded and its rows inserted, nothing else.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

import psutil
from harness.load import bodies
from harness.results import write

from bench.native_protocol import server
from ugc_core import warehouse_schema
from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.adapters.sqlite_log_admin import SqliteLogAdmin
from ugc_core.adapters.sqlite_log_reader import SqliteLogReader
from ugc_core.bootstrap import open_warehouse, topics
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.log import LogCommitter, Record
from ugc_core.settings import LogSection, WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.batches import Batch
from ugc_etl.decoding import decode
from ugc_etl.intents import with_intent
from ugc_etl.ports import LedgerEntry
from ugc_etl.rows import version

RECORDS, LINES = 200, 100
ROWS = RECORDS * LINES
ROUNDS = 12
_USER = UUID(int=7)
_ON_SERVER = ("rows", "rows_with_a_token", "ledger")
"""Variants that give the server work; what it does meanwhile is none of the others'."""
Work = Callable[[Batch], Awaitable[object]]


def batches(number: int) -> list[Batch]:
    """Return batches of different reports, as the log hands them out."""
    texts = bodies(7, batch=LINES, batches=RECORDS * number)
    found = []
    for start in range(0, RECORDS * number, RECORDS):
        records = [
            Record(
                partition=0,
                offset=start + offset,
                key=None,
                value=b"\n".join(line_of(one, _USER) for one in text.split(b"\n")),
                headers=EVENT_HEADERS,
                timestamp_ms=0,
            )
            for offset, text in enumerate(islice(texts, RECORDS))
        ]
        found.append(Batch(topic="views", partition=0, records=records))
    return found


def line_of(report: bytes, user_id: UUID) -> bytes:
    """Return the log's line of a report, as the API makes it."""
    now_ms = time.time_ns() // 1_000_000
    event = accept(
        parse_report(report),
        Viewer(user_id=user_id),
        film_id=None,
        received_ms=now_ms,
        window=Window(),
    )
    return encode_event(event)


class Variants:
    """Each safeguard alone, and the rows alone."""

    def __init__(self, store: ClickHouseStore, committer: LogCommitter) -> None:
        """Use these."""
        self._store = store
        self._committer = committer

    def every(self) -> Mapping[str, Work]:
        """Return them by name."""
        return {
            "rows": self.rows,
            "rows_with_a_token": partial(self.rows, token=True),
            "content_hash": self.content_hash,
            "identity": self.identity,
            "ledger": self.ledger,
            "commit": self.commit,
            "commit_with_intent": partial(self.commit, intent=True),
        }

    async def rows(self, batch: Batch, *, token: bool = False) -> None:
        """Decode and insert."""
        name = batch.token("measured") if token else ""
        await self._store.insert(decode(batch).rows, token=name)

    async def content_hash(self, batch: Batch) -> None:
        """Hash the raw bytes."""
        batch.content_hash()

    async def identity(self, batch: Batch) -> None:
        """Number the copies so that the first accepted one wins."""
        for record in batch.records:
            for line in record.value.split(b"\n"):
                version(1_767_225_600_000, line)

    async def ledger(self, batch: Batch) -> None:
        """Write the batch's row of the ledger."""
        entry = LedgerEntry(
            topic=batch.topic,
            partition=batch.partition,
            range=batch.range,
            records=len(batch.records),
            lines=ROWS,
            stored=ROWS,
            dead=0,
            erased=0,
            content_hash="0" * 32,
        )
        await self._store.record(entry)

    async def commit(self, batch: Batch, *, intent: bool = False) -> None:
        """Commit the position, with or without the next batch's range."""
        following = batch.range if intent else None
        await self._committer.commit({0: with_intent(batch.range.first, following)})


async def measure(work: Work, batch: Batch, process: psutil.Process) -> tuple[float, float]:
    """Return CPU a row in microseconds, ours and the server's."""
    ours, theirs = time.process_time(), sum(process.cpu_times()[:2])
    await work(batch)
    # The server's clock ticks every 10 ms, so it is added up over rounds, not rounded here.
    used = time.process_time() - ours, sum(process.cpu_times()[:2]) - theirs
    return used[0] / ROWS * 1e6, used[1] / ROWS * 1e6


async def run(port: int, process: psutil.Process, folder: Path) -> dict[str, object]:
    """Measure every variant, in turns."""
    warehouse_at = WarehouseSection(url=f"clickhouse://127.0.0.1:{port}/measured")
    log = LogSection(url=f"sqlite:///{folder}/log.db")
    target = warehouse_target(warehouse_at.url)
    async with AsyncExitStack() as stack:
        outside = await stack.enter_async_context(open_warehouse(warehouse_at, database="default"))
        todo = await warehouse_schema.pending(outside, target)
        await warehouse_schema.apply(outside, target, todo, views_ttl_days=0)
        warehouse = await stack.enter_async_context(open_warehouse(warehouse_at))
        admin = await stack.enter_async_context(SqliteLogAdmin.open(folder / "log.db", log))
        await admin.apply(await admin.plan(topics(log)))
        committer = await stack.enter_async_context(
            SqliteLogReader.open(folder / "log.db", log.topic, log.group, log)
        )
        variants = Variants(ClickHouseStore(warehouse, target), committer).every()
        kept = iter(batches(2 * ROUNDS + 2))
        spare = next(kept)
        await warehouse.execute("SYSTEM STOP MERGES")  # they would fall on whoever is measured
        await variants["rows"](next(kept))  # warm
        used: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
        for _ in range(ROUNDS):
            for name, work in variants.items():
                batch = next(kept) if name.startswith("rows") else spare
                used[name].append(await measure(work, batch, process))
    return figures(used)


def figures(used: Mapping[str, list[tuple[float, float]]]) -> dict[str, object]:
    """Sum up: medians of ours, means of the server's, which come in ticks."""
    ours = {name: median(own for own, _ in spent) for name, spent in used.items()}
    theirs = {name: sum(used[name][n][1] for n in range(ROUNDS)) / ROUNDS for name in _ON_SERVER}
    both = {name: own + theirs.get(name, 0.0) for name, own in ours.items()}
    costs = {
        "intent": max(both["commit_with_intent"] - both["commit"], 0.0),
        "content_hash": both["content_hash"],
        "identity": both["identity"],
        "ledger": both["ledger"],
        "token": max(both["rows_with_a_token"] - both["rows"], 0.0),
    }
    bare = both["rows"] - both["identity"]
    return {
        "rows_a_batch": ROWS,
        "rounds": ROUNDS,
        "cpu_us_a_row": {name: round(cost, 3) for name, cost in costs.items()},
        "cpu_us_a_row_in_all": round(sum(costs.values()), 3),
        "baseline": "the same rows decoded and inserted with none of it",
        "baseline_us_a_row": round(bare, 3),
        "share_of_baseline": round(sum(costs.values()) / bare, 3),
        "pipeline_us_a_row": {name: round(cost, 3) for name, cost in ours.items()},
        "server_us_a_row": {name: round(cost, 3) for name, cost in theirs.items()},
    }


def main() -> None:
    """Measure against a server of its own."""
    with server() as (port, process), TemporaryDirectory() as folder:
        found = asyncio.run(run(port, process, Path(folder)))
    print(write("exactness", found).read_text("utf-8"))


if __name__ == "__main__":
    main()
