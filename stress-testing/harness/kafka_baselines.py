"""Two ways to bring a Kafka topic into ClickHouse without our pipeline, each a process.

`python -m harness.kafka_baselines WAY SERVERS TOPIC PORT DATABASE` reads the topic to its end and
prints what it has used as JSON. `plain` is what anyone would write first: aiokafka, `json.loads`
and clickhouse-driver, 50,000 rows at a time. `floor` is what is left of it without any work on
the rows: aiokafka hands out the records, and asynch inserts columns that were ready before.
"""

import asyncio
import json
import sys
import time
import zlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import clickhouse_driver
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from ugc_core.bootstrap import open_warehouse
from ugc_core.log import Record
from ugc_core.settings import WarehouseSection
from ugc_etl.batches import Batch, count_lines
from ugc_etl.decoding import decode

LOT = 50_000


class Used(Struct, kw_only=True):
    """What a process has read, and the CPU that it took.

    Attributes:
        lines: Reports.
        cpu_s: Seconds.
    """

    lines: int
    cpu_s: float


_NIL = "00000000-0000-0000-0000-000000000000"
_COLUMNS = (
    "event_id, film_id, user_id, profile_id, session_id, seq, progress_ms, total_ms,"
    " watched_from_ms, event_time, viewed_at, clock_offset_ms, kind, device, extra, received_at,"
    " log_partition, log_offset, log_line, version"
)
Insert = Callable[[Sequence[Any]], Awaitable[None]]


async def read(servers: str, topic: str, insert: Insert, first: Callable[[], None]) -> int:
    """Read the topic to its end, hand on lots of records, and return how many lines there were.

    Args:
        servers: The brokers.
        topic: The topic.
        insert: Takes a lot of records.
        first: Called when reading begins.
    """
    async with _consumer(servers, topic) as (consumer, left):
        first()
        lines, waiting = 0, []
        while left:
            found = await consumer.getmany(timeout_ms=1000, max_records=LOT)
            for place, records in found.items():
                waiting += records
                if consumer.highwater(place) == records[-1].offset + 1:
                    left.discard(place)
            if len(waiting) >= LOT or not left:
                lines += sum(map(count_lines, waiting))
                await insert(waiting)
                waiting = []
    return lines


@asynccontextmanager
async def _consumer(servers: str, topic: str) -> Any:  # noqa: ANN401 - aiokafka is untyped
    # Not by seeking there: a default of "latest" that is still asked for would answer the seek.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = consumer.partitions_for_topic(topic) or await _known(consumer, topic)
        places = {TopicPartition(topic, partition) for partition in partitions}
        ends = await consumer.end_offsets(list(places))
        consumer.assign(list(places))  # last: fetching begins with it
        yield consumer, {place for place in places if ends[place]}
    finally:
        await consumer.stop()


async def _known(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client.add_topic(topic)  # noqa: SLF001 - there is no public way
    return set(consumer.partitions_for_topic(topic) or ())


def plain_row(record: Any) -> tuple[object, ...]:  # noqa: ANN401 - aiokafka is untyped
    """Return the columns of a record with one report."""
    found = json.loads(record.value)
    start = found.get("watched_from")
    viewed_at, received_at = found["viewed_at"], found["received_at"]
    offset_ms = found.get("clock_offset_ms", 0)
    tie = zlib.crc32(record.value) & 0xFFFFF
    return (
        found["event_id"],
        found["film_id"],
        found["user_id"],
        found.get("profile_id") or found["user_id"],
        found.get("session_id") or _NIL,
        found.get("seq"),
        int(found["progress"] * 1000 + 0.5),
        int(found["total"] * 1000 + 0.5),
        None if start is None else int(start * 1000 + 0.5),
        viewed_at + offset_ms,
        viewed_at,
        offset_ms,
        found.get("kind", ""),
        found.get("device", ""),
        json.dumps(found["extra"]) if "extra" in found else "",
        received_at,
        record.partition,
        record.offset,
        0,
        (2**44 - 1 - received_at) << 20 | tie,
    )


def plain(servers: str, topic: str, port: int, database: str) -> Used:
    """Bring the topic in, the plain way."""
    client = clickhouse_driver.Client("127.0.0.1", port=port, database=database)
    client.execute("SELECT 1")
    began = 0.0

    def begin() -> None:
        nonlocal began
        began = time.process_time()

    async def insert(records: Sequence[Any]) -> None:
        sql = f"INSERT INTO views_raw ({_COLUMNS}) VALUES"
        client.execute(sql, [plain_row(record) for record in records])

    lines = asyncio.run(read(servers, topic, insert, begin))
    return Used(lines=lines, cpu_s=time.process_time() - began)


async def floor(servers: str, topic: str, port: int, database: str) -> Used:
    """Receive the topic, and insert what was ready before."""
    at = WarehouseSection(url=f"clickhouse://127.0.0.1:{port}/{database}")
    async with open_warehouse(at) as warehouse:
        await warehouse.read("SELECT 1")
        ready: dict[int, Any] = {}

        async def prepare(records: Sequence[Any]) -> None:
            ready.update({len(records): decode(_batch(topic, records)).rows.columns()})

        await read(servers, topic, prepare, lambda: None)
        began = time.process_time()

        async def insert(records: Sequence[Any]) -> None:
            columns = ready.get(len(records)) or ready[max(ready)]
            await warehouse.insert("views_raw", columns, settings={})

        lines = await read(servers, topic, insert, lambda: None)
        return Used(lines=lines, cpu_s=time.process_time() - began)


def _batch(topic: str, records: Sequence[Any]) -> Batch:
    found = [
        Record(
            partition=0,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=tuple(record.headers),
            timestamp_ms=record.timestamp,
        )
        for record in records
    ]
    return Batch(topic=topic, partition=0, records=found)


def main() -> None:
    """Run one way."""
    way, servers, topic, port, database = sys.argv[1:]
    if way == "plain":
        used = plain(servers, topic, int(port), database)
    else:
        used = asyncio.run(floor(servers, topic, int(port), database))
    print(msgspec.json.encode(used).decode())


if __name__ == "__main__":
    main()
