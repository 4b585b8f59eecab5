"""A system in one process: a real log, a real database, and a pipeline that runs when told to.

What a person or a broken disk does to it by hand, it can do, too.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw

from ugc_core.adapters.sqlite_file import record_id
from ugc_core.bootstrap import (
    open_log_admin,
    open_log_scanner,
    open_log_writer,
    open_warehouse,
    topics,
)
from ugc_core.clock import ManualClock, SystemClock
from ugc_core.codec import (
    ERASURE_HEADERS,
    EVENT_HEADERS,
    Erasure,
    encode_erasure,
    encode_event,
    log_key,
)
from ugc_core.events import Event
from ugc_core.log import Headers, Receipt
from ugc_core.settings import EtlSection, LogSection, Settings, WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import ShardedWarehouse
from ugc_etl.adapters.clickhouse_store import UNHIDDEN, ClickHouseStore
from ugc_etl.batches import Batch, count_lines
from ugc_etl.bootstrap import open_pipeline
from ugc_etl.metrics import EtlMetrics
from ugc_etl.ports import LedgerEntry
from ugc_etl.rows import Rows, Source
from ugc_etl.verification.bootstrap import open_verifier
from ugc_etl.verification.verify import Verification

NOW_MS = 1_767_225_600_000
DAY_MS = 86_400_000
KEPT_S = 20.0


@dataclass(kw_only=True)
class System:
    """A log, a database, and a pipeline that runs when it is told to."""

    settings: Settings
    warehouse: ShardedWarehouse

    async def append(
        self, *events: Event, headers: Headers = EVENT_HEADERS, lines: Sequence[bytes] = ()
    ) -> Receipt:
        """Append one record."""
        key = log_key(events[0].user_id) if events else b"anybody"
        return await self.append_lines(key, [*map(encode_event, events), *lines], headers)

    async def append_lines(self, key: bytes, lines: Sequence[bytes], headers: Headers) -> Receipt:
        log = self.settings.log
        async with open_log_writer(log, log.topic, clock=SystemClock()) as writer:
            return await writer.append(key, lines, headers=headers)

    async def forget(self, user: UUID) -> None:
        """Append an erasure, asked for after every report of these tests."""
        line = encode_erasure(Erasure(user_id=user, requested_at=NOW_MS + DAY_MS))
        await self.append_lines(log_key(user), [line], ERASURE_HEADERS)

    async def ingest(self) -> None:
        """Run the pipeline until it has committed everything."""
        clock = SystemClock()
        async with (
            asyncio.timeout(KEPT_S),
            open_log_admin(self.settings.log) as admin,
            open_pipeline(self.settings, clock=clock, metrics=EtlMetrics()) as pipeline,
        ):
            while await self._lag(admin):
                await pipeline.step()
            await pipeline.drain()

    async def _lag(self, admin) -> int:
        log = self.settings.log
        ends = await admin.watermarks(log.topic)
        commits = await admin.committed_by(log.group, log.topic)
        return sum(
            marks.high - (commits[p].offset if p in commits else 0) for p, marks in ends.items()
        )

    async def verify(self, *, deep: bool = True, at_once: int = 500_000) -> Verification:
        async with open_verifier(
            self.settings, clock=ManualClock(), progress=lambda *_: None, at_once=at_once
        ) as verifier:
            return await verifier.run(deep=deep)

    async def caught_up(self, *, within_s: float) -> int:
        """Wait for the pipeline; return the records that it has not ingested."""
        async with open_verifier(
            self.settings, clock=ManualClock(), progress=lambda *_: None
        ) as verifier:
            return await verifier.caught_up(within_s)

    async def change(self, sql: str) -> None:
        """Change a table by hand, and wait until that is done."""
        await self.warehouse.execute(
            sql, settings={"mutations_sync": 2, "lightweight_deletes_sync": 2}
        )

    async def insert(self, event: Event, *, partition: int, offset: int, line: int = 0) -> None:
        """Insert a row as no pipeline has."""
        source = Source(offset, line, encode_event(event))
        columns = Rows(partition, [event], [source]).columns()
        await self.warehouse.insert("views_raw", columns, settings=UNHIDDEN)

    async def batch(self, partition: int, first: int, last: int) -> Batch:
        """Return records of the log as one batch."""
        log = self.settings.log
        async with open_log_scanner(log) as scanner:
            records = await scanner.scan(log.topic, partition, first, last + 1, max_records=100)
        return Batch(topic=log.topic, partition=partition, records=records)

    async def insert_ledger(self, batch: Batch) -> None:
        """Note a batch in the ledger; each of its lines is stored."""
        lines = sum(map(count_lines, batch.records))
        entry = LedgerEntry(
            topic=batch.topic,
            partition=batch.partition,
            range=batch.range,
            records=len(batch.records),
            lines=lines,
            stored=lines,
            dead=0,
            erased=0,
            content_hash=batch.content_hash(),
        )
        target = warehouse_target(self.settings.warehouse.url)
        await ClickHouseStore(self.warehouse, target).record(entry)

    async def place_of(self, event: Event) -> Receipt:
        """Return where a report lies in the log."""
        for partition in range(self.settings.log.partitions):
            async with open_log_admin(self.settings.log) as admin:
                ends = (await admin.watermarks("views"))[partition].high
            for record in (await self.batch(partition, 0, ends - 1)).records:
                for line, value in enumerate(record.value.split(b"\n")):
                    if str(event.event_id).encode() in value:
                        return Receipt(partition=partition, offset=record.offset, line=line)
        raise LookupError(event.event_id)

    def cut(self, partition: int, below: int) -> None:
        """Remove old records, as retention does."""
        with self.log_file() as file:
            ((topic,),) = file.execute("SELECT id FROM topic WHERE name = 'views'").fetchall()
            ends = [record_id(int(str(topic)), partition, at) for at in (0, below)]
            file.execute("DELETE FROM record WHERE id >= ? AND id < ?", ends)
            where = (below, topic, partition)
            file.execute("UPDATE lane SET low = ? WHERE topic = ? AND partition = ?", where)

    def log_file(self) -> apsw.Connection:
        """Open the log's file by hand."""
        return apsw.Connection(self.settings.log.url.removeprefix("sqlite:///"))


@asynccontextmanager
async def open_system(
    warehouse: WarehouseSection, folder: Path, **limits: Any
) -> AsyncIterator[System]:
    """Open a system with two partitions and no report."""
    log = LogSection(url=f"sqlite:///{folder / 'log.db'}", partitions=2)
    etl = EtlSection(**{"max_age_s": 0.01, **limits})
    settings = Settings(log=log, warehouse=warehouse, etl=etl)
    async with open_log_admin(log) as admin, open_warehouse(warehouse) as opened:
        await admin.apply(await admin.plan(topics(log)))
        yield System(settings=settings, warehouse=opened)


def of(event: Event) -> str:
    """Return the condition that chooses a report's rows."""
    return (
        f"film_id = '{event.film_id}' AND user_id = '{event.user_id}'"
        f" AND event_id = '{event.event_id}'"
    )
