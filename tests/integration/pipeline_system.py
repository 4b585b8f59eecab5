"""A log, a warehouse and the pipeline between them as a process of its own, with a journal."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from tests.events import uuid7
from tests.integration.processes import Etl
from tests.integration.recount import recount
from tests.integration.stored_numbers import stored
from ugc_core.bootstrap import (
    open_log_admin,
    open_log_consumer,
    open_log_writer,
    open_warehouse,
    topics,
)
from ugc_core.clock import SystemClock
from ugc_core.codec import EVENT_HEADERS, encode_event, log_key
from ugc_core.events import Event
from ugc_core.settings import LogSection, WarehouseSection

NOW_MS = 1_767_225_600_000
BAD = b"{no report}"
DEADLINE_S = 40


@dataclass(kw_only=True)
class System:
    """A log and a warehouse, the pipeline between them, and a journal of what was appended.

    Attributes:
        accepted: The reports that the log acknowledged.
        bad: How many lines were no reports.
    """

    folder: Path
    warehouse: WarehouseSection
    settings: dict[str, str] = field(default_factory=dict)
    accepted: list[Event] = field(default_factory=list)
    bad: int = 0

    def __post_init__(self) -> None:
        """Make up the settings."""
        self.log = LogSection(url=f"sqlite:///{self.folder}/log.db", partitions=3)
        self.settings = {
            "UGC_LOG__URL": self.log.url,
            "UGC_WAREHOUSE__URL": self.warehouse.url,
            "UGC_ETL__MAX_ROWS": "7",
            "UGC_ETL__MAX_AGE_S": "0.05",
            "UGC_ETL__RETRY_MOST_S": "0.2",
            "UGC_LOGGING__FORMAT": "json",
            **self.settings,
        }
        self.etl = Etl(self.settings, errors=self.folder / "etl.stderr")

    async def make_topics(self) -> None:
        async with open_log_admin(self.log) as admin:
            await admin.apply(await admin.plan(topics(self.log)))

    async def append(self, reports: int, *, bad: int = 0) -> None:
        """Append so many reports of nine users, and some lines that are none."""
        lines = [self._report() for _ in range(reports)]
        lines += [(UUID(int=n % 9 + 1), BAD) for n in range(bad)]
        self.bad += bad
        async with open_log_writer(self.log, self.log.topic, clock=SystemClock()) as writer:
            for user, line in lines:
                await writer.append(log_key(user), [line], headers=EVENT_HEADERS)

    def _report(self) -> tuple[UUID, bytes]:
        number = len(self.accepted) + 1
        event = Event(
            event_id=uuid7(number),
            film_id=UUID(int=number % 5),
            user_id=UUID(int=number % 9 + 1),
            progress=float(number),
            total=5400.0,
            watched_from=max(number - 10.0, 0.0),
            viewed_at=NOW_MS + number * 1000,
            received_at=NOW_MS + number * 1000,
        )
        self.accepted.append(event)
        return event.user_id, encode_event(event)

    async def select(self, sql: str) -> Sequence[tuple[Any, ...]]:
        async with open_warehouse(self.warehouse) as warehouse:
            return (await warehouse.read(sql)).rows

    async def count(self, table: str) -> int:
        [(found,)] = await self.select(f"SELECT count() FROM {table}")
        return int(found)

    async def positions(self) -> Mapping[int, int]:
        """Return what is committed, by partition."""
        async with open_log_admin(self.log) as admin:
            commits = await admin.committed_by(self.log.group, self.log.topic)
        return {partition: commit.offset for partition, commit in commits.items()}

    async def progress(self) -> int:
        """Return how many records are committed."""
        return sum((await self.positions()).values())

    async def caught_up(self) -> bool:
        async with open_log_admin(self.log) as admin:
            marks = await admin.watermarks(self.log.topic)
        positions = await self.positions()
        return all(positions.get(p, 0) == ends.high for p, ends in marks.items())

    async def letters(self) -> Sequence[dict[str, object]]:
        """Return the dead letters, repeats included."""
        section = msgspec.structs.replace(self.log, topic=self.log.dlq_topic, group="test")
        found: list[dict[str, object]] = []
        async with open_log_consumer(section, clock=SystemClock()) as consumer:
            while polled := await consumer.poll(max_records=1000, timeout_s=0):
                found += [msgspec.json.decode(r.value) for some in polled.values() for r in some]
        return found

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a condition holds, looking again and again, up to the tests' deadline."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not await holds():  # noqa: ASYNC110 - another process sets no event here
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            state = f"running: {self.etl.alive}, committed: {await self.positions()}"
            msg = f"it never happened; {state}, it said: {self.etl.said()[-2000:]}"
            raise AssertionError(msg) from error

    async def check(self) -> None:
        """Compare what is kept with what was accepted, and the ledger with the commits."""
        found = {event_id for (event_id,) in await self.select("SELECT event_id FROM views")}
        assert found == {event.event_id for event in self.accepted}
        async with open_warehouse(self.warehouse) as warehouse:
            films = {event.film_id for event in self.accepted}
            assert await stored(warehouse, films) == recount(self.accepted)
        dead = {(letter["partition"], letter["offset"]) for letter in await self.letters()}
        assert len(dead) == self.bad
        entries = await self.select(
            "SELECT partition, first_offset, last_offset, lines - stored - dead - erased"
            " FROM ingested FINAL ORDER BY partition, first_offset, last_offset"
        )
        reached: dict[int, int] = {}
        for partition, first, last, unaccounted in entries:
            assert (partition, first) == (partition, reached.get(partition, 0))
            assert unaccounted == 0
            reached[partition] = last + 1
        assert reached == await self.positions()


def ready_system(folder: Path, warehouse: WarehouseSection) -> Iterator[System]:
    """Yield a log with topics and a warehouse with tables; the pipeline is not started."""
    system = System(folder=folder, warehouse=warehouse)
    asyncio.run(system.make_topics())
    yield system
    system.etl.kill()


async def reached(system: System, records: int) -> bool:
    return await system.progress() >= records


async def said(system: System, word: str) -> bool:
    return word in system.etl.said()
