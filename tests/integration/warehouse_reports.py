"""Reports, and the ways by which they come into a real warehouse."""

from collections.abc import Iterable, Sequence
from itertools import count
from uuid import UUID

from msgspec import Raw

from tests.events import uuid7, valid_event
from ugc_core.adapters.memory_log import MemoryLog, MemoryLogReader
from ugc_core.backoff import Backoff
from ugc_core.clock import ManualClock
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.events import Event
from ugc_core.log import Record
from ugc_core.settings import WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import ShardedWarehouse, Warehouse
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.adapters.memory_store import MemoryDeadLetters
from ugc_etl.batches import Batch
from ugc_etl.decoding import decode
from ugc_etl.delivery import Delivery
from ugc_etl.metrics import EtlMetrics
from ugc_etl.retry import Retry

NOW_MS = 1_767_225_600_000
DAY_MS = 86_400_000
SUMMED = ("views_raw", "playback", "resume_points", "ingested")

_ids = count(1)


def event(**changes: object) -> Event:
    return valid_event(uuid7(next(_ids)), **changes)


def records(events: Iterable[Event], size: int = 1) -> list[Record]:
    """Return the log's records of events, `size` lines each."""
    lines = [encode_event(each) for each in events]
    return [
        Record(
            partition=0,
            offset=offset,
            key=None,
            value=b"\n".join(lines[start : start + size]),
            headers=EVENT_HEADERS,
            timestamp_ms=NOW_MS,
        )
        for offset, start in enumerate(range(0, len(lines), size))
    ]


def batch(*found: Record) -> Batch:
    return Batch(topic="views", partition=0, records=found)


def store_of(warehouse: ShardedWarehouse, database: WarehouseSection) -> ClickHouseStore:
    return ClickHouseStore(warehouse, warehouse_target(database.url))


async def insert(store: ClickHouseStore, events: Sequence[Event], token: str) -> None:
    """Insert events as one batch under a token."""
    await store.insert(decode(batch(*records(events))).rows, token=token)


def delivery(store: ClickHouseStore) -> Delivery:
    """Return the pipeline's delivery to a store."""
    clock, log = ManualClock(), MemoryLog()

    async def oldest(partition: int) -> int:
        return log.ends("views", partition).low

    return Delivery(
        committer=MemoryLogReader(log, "views", "ugc-etl"),
        store=store,
        dead_letters=MemoryDeadLetters(),
        oldest=oldest,
        retry=Retry(clock=clock, backoff=Backoff(first_s=0.1, most_s=1.0)),
        metrics=EtlMetrics(),
        max_bad_in_a_row=1000,
    )


VIEWINGS = [
    event(watched_from=110.0, seq=1, session_id=UUID(int=3), kind="heartbeat", device="tv"),
    event(progress=130.5, watched_from=120.5, seq=2, session_id=UUID(int=3), device="tv"),
    event(progress=40.0, viewed_at=NOW_MS - 1, user_id=UUID(int=2), extra=Raw(b'{"a": 1}')),
    event(progress=99.9, kind="pause", profile_id=UUID(int=4)),
    event(progress=5400.0, watched_from=5390.0, clock_offset_ms=-2 * DAY_MS),
    event(progress=10.0, watched_from=5.0, viewed_at=NOW_MS - 40 * DAY_MS),
]


async def merge(warehouse: Warehouse) -> None:
    """Let the engine merge everything that it would merge at some time."""
    for table in SUMMED:
        await warehouse.execute(f"OPTIMIZE TABLE {table} FINAL")


async def ledger(warehouse: Warehouse) -> Sequence[tuple[object, ...]]:
    answer = await warehouse.read(
        "SELECT topic, partition, first_offset, last_offset, records, lines, stored, dead, erased"
        " FROM ingested FINAL ORDER BY first_offset, last_offset"
    )
    return answer.rows
