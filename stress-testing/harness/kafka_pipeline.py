"""What a measurement of the pipeline on Kafka needs: a topic, tables, CPU, and to know the end."""

import asyncio
from pathlib import Path

from harness import kafka
from ugc_core import warehouse_schema
from ugc_core.bootstrap import open_log_admin, open_warehouse, topics
from ugc_core.settings import KafkaSection, LogSection, WarehouseSection
from ugc_core.urls import warehouse_target

KAFKA = KafkaSection(replication=1, min_insync_replicas=1)
"""One broker has one copy of everything."""
_LOOK_EVERY_S = 0.05


async def topic(url: str, name: str) -> LogSection:
    """Make a topic that one group of the same name reads."""
    log = LogSection(
        url=url, topic=name, group=name, max_in_flight=100_000, append_timeout_s=60, kafka=KAFKA
    )
    async with open_log_admin(log) as admin:
        await admin.apply(await admin.plan(topics(log)))
    return log


async def tables(port: int, name: str) -> WarehouseSection:
    """Make a database with the product's tables."""
    at = WarehouseSection(url=f"clickhouse://127.0.0.1:{port}/{name}")
    target = warehouse_target(at.url)
    async with open_warehouse(at, database="default") as outside:
        todo = await warehouse_schema.pending(outside, target)
        await warehouse_schema.apply(outside, target, todo, views_ttl_days=0)
    return at


async def read_to_the_end(log: LogSection, *, within_s: float) -> None:
    """Return once the group has committed everything that the topic has now.

    Raises:
        TimeoutError: It does not within the time.
    """
    async with asyncio.timeout(within_s), open_log_admin(log) as admin:
        ends = await admin.watermarks(log.topic)
        while True:
            done = await admin.committed_by(log.group, log.topic)
            if all(
                end.low == end.high or (p in done and done[p].offset >= end.high)
                for p, end in ends.items()
            ):
                return
            await asyncio.sleep(_LOOK_EVERY_S)


async def record_count(log: LogSection) -> int:
    """Return how many records the topic has."""
    async with open_log_admin(log) as admin:
        ends = await admin.watermarks(log.topic)
    return sum(end.high - end.low for end in ends.values())


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, in the scheduler's own nanoseconds."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text("ascii").split()[0]) for task in tasks) / 1e9


def broker_version() -> str:
    """Return the version of the brokers."""
    return next(kafka.libs().glob("kafka_2.13-*.jar")).stem.partition("-")[2]
