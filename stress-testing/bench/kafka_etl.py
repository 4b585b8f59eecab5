"""Kafka to ClickHouse: CPU a row of the ETL process, beside a plain pipeline and the floor.

Every topic is read to its end by a process of its own, into the real tables of a database of
its own, on one real broker and one chdb-server. Counted is the CPU of the reading process from
the moment it is ready. Baselines in the same invocation are in kafka_baselines.py, both on one
report a record. Packs are those that the log's writer makes at a steady rate of single
reports, as the API appends them.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaProducer
from harness import kafka
from harness.kafka_baselines import Used
from harness.kafka_pipeline import cpu_s, read_to_the_end, record_count, tables, topic
from harness.load import bodies
from harness.results import write

from bench.exactness import line_of
from bench.native_protocol import server
from ugc_core.bootstrap import open_log_writer, open_warehouse
from ugc_core.clock import SystemClock
from ugc_core.codec import EVENT_HEADERS, log_key
from ugc_core.settings import LogSection, WarehouseSection
from ugc_core.urls import warehouse_target

ROUNDS = 3
SINGLES = 200_000
RATES = {2_000: SINGLES, 5_000: SINGLES, 10_000: SINGLES}
"""Requests a second, and how many of them: as many everywhere, so that what the beginning and the
end of a backlog cost weighs the same."""
USERS = 2_000
TICK_S = 0.002
BEHIND = 20
"""Requests after which one that is behind its schedule lets others have a turn."""
WAIT_S = 300.0


def lines(many: int) -> Iterator[tuple[UUID, bytes]]:
    """Yield reports of many users in turn, each with its user."""
    each = -(-many // USERS)
    made = [
        (UUID(int=number + 1), bodies(number, batch=1, batches=each)) for number in range(USERS)
    ]
    for _ in range(each):
        for user, reports in made:
            yield user, line_of(next(reports), user)


async def fill_singly(log: LogSection, servers: str) -> None:
    """Produce one report a record."""
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, acks="all", linger_ms=20, compression_type="lz4"
    )
    async with producer:
        last = None
        for user, line in islice(lines(SINGLES), SINGLES):
            last = await producer.send(
                log.topic, line, key=log_key(user), headers=[*EVENT_HEADERS, ("lines", b"1")]
            )
        await asyncio.wait_for(producer.flush(), WAIT_S)
        if last is not None:
            await last


async def fill_packed(log: LogSection, rate: int) -> float:
    """Append single reports at a steady rate; return how many share a record."""
    async with (
        open_log_writer(log, log.topic, clock=SystemClock()) as writer,
        asyncio.TaskGroup() as group,
    ):
        began = time.perf_counter()
        for number, (user, line) in enumerate(islice(lines(RATES[rate]), RATES[rate])):
            early_s = number / rate - (time.perf_counter() - began)
            if early_s > 0 or not number % BEHIND:
                await asyncio.sleep(max(early_s, TICK_S) if early_s > 0 else 0)
            group.create_task(writer.append(log_key(user), [line], headers=EVENT_HEADERS))
    return RATES[rate] / await record_count(log)


@contextmanager
def etl(environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a pipeline, ready, until the end of the block."""
    command = [sys.executable, "-m", "ugc_etl"]
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    try:
        if process.stdout is None or not process.stdout.readline():
            msg = "the pipeline did not start"
            raise RuntimeError(msg)
        yield process
    finally:
        process.terminate()
        process.wait(WAIT_S)


async def through_the_etl(log: LogSection, at: WarehouseSection) -> float:
    """Return CPU a row, in microseconds, of reading the topic to its end."""
    environment = {
        "UGC_LOG__URL": log.url,
        "UGC_LOG__TOPIC": log.topic,
        "UGC_LOG__GROUP": log.group,
        "UGC_LOG__KAFKA__REPLICATION": "1",
        "UGC_LOG__KAFKA__MIN_INSYNC_REPLICAS": "1",
        "UGC_WAREHOUSE__URL": at.url,
    }
    with etl(environment) as process:
        before = cpu_s(process.pid)
        await read_to_the_end(log, within_s=WAIT_S)
        used = cpu_s(process.pid) - before
    async with open_warehouse(at) as warehouse:
        ((rows,),) = (await warehouse.read("SELECT sum(stored) FROM ingested FINAL")).rows
    return used / msgspec.convert(rows, int) * 1e6


def by_a_baseline(way: str, servers: str, log: LogSection, at: WarehouseSection) -> float:
    """Return CPU a row, in microseconds, of a baseline."""
    target = warehouse_target(at.url)
    arguments = [way, servers, log.topic, str(target.port), target.database]
    said = subprocess.run(
        [sys.executable, "-m", "harness.kafka_baselines", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=WAIT_S,
    )
    found = msgspec.json.decode(said.stdout, type=Used)
    if found.lines != SINGLES:
        msg = f"{way} has read {found.lines} of {SINGLES} lines"
        raise RuntimeError(msg)
    return found.cpu_s / found.lines * 1e6


async def run(brokers: kafka.Brokers, port: int) -> dict[str, object]:
    """Fill the topics, then read each with everything, in turns."""
    singles = await topic(brokers.url, "singles")
    await fill_singly(singles, brokers.servers)
    packed, sizes = {}, {}
    for rate in RATES:
        packed[rate] = await topic(brokers.url, f"packs-{rate}")
        sizes[rate] = await fill_packed(packed[rate], rate)
    used: dict[str, list[float]] = {}
    for turn in range(ROUNDS):
        for way in ("plain", "floor"):
            at = await tables(port, f"{way}_{turn}")
            cost = await asyncio.to_thread(by_a_baseline, way, brokers.servers, singles, at)
            used.setdefault(way, []).append(cost)
        for name, log in {"singles": singles, **{f"packs_{r}": packed[r] for r in RATES}}.items():
            mine = msgspec.structs.replace(log, group=f"{name}-{turn}")
            at = await tables(port, f"{name}_{turn}")
            used.setdefault(name, []).append(await through_the_etl(mine, at))
    costs = {name: round(median(found), 2) for name, found in used.items()}
    return {
        "rows": {"singles": SINGLES, **{f"packs_{rate}": many for rate, many in RATES.items()}},
        "rounds": ROUNDS,
        "lines_a_record": {str(rate): round(size, 1) for rate, size in sizes.items()},
        "cpu_us_a_row": costs,
        "all_rounds": {name: [round(one, 2) for one in found] for name, found in used.items()},
        "singles_to_floor": round(costs["singles"] / costs["floor"], 2),
        "plain_to_packs": {
            str(rate): round(costs["plain"] / costs[f"packs_{rate}"], 2) for rate in RATES
        },
    }


def main() -> None:
    """Measure on a broker and a server of their own; say why not where Kafka is missing."""
    if why := kafka.absent():
        print(f"skipped: {why}")
        return
    with (
        TemporaryDirectory(prefix="ugc-bench-") as folder,
        kafka.running(Path(folder), heap="512m") as brokers,
        server() as (port, _),
    ):
        found = asyncio.run(run(brokers, port))
    print(write("kafka_etl", found).read_text("utf-8"))


if __name__ == "__main__":
    main()
