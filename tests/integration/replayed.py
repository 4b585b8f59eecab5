"""A log in a file, a real warehouse, the pipeline between them, and replays beside it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.events import uuid7
from tests.integration.recount import recount
from tests.integration.stored_numbers import stored
from ugc_core.bootstrap import (
    open_log_admin,
    open_log_scanner,
    open_log_writer,
    open_warehouse,
    topics,
)
from ugc_core.clock import SystemClock
from ugc_core.codec import ERASURE_HEADERS, EVENT_HEADERS, Erasure, encode_erasure, encode_event
from ugc_core.codec import log_key as key_of
from ugc_core.events import Event
from ugc_core.log import Commit, Headers, Receipt
from ugc_core.settings import EtlSection, LogSection, Settings, WarehouseSection
from ugc_etl.bootstrap import open_pipeline
from ugc_etl.letters.filters import Filters, Letter
from ugc_etl.letters.letter_box import LetterBox
from ugc_etl.metrics import EtlMetrics
from ugc_etl.replay.bootstrap import LogReplays, open_log_replays
from ugc_etl.replay.plans import Plan, Selection
from ugc_etl.replay.tallies import Tally
from ugc_etl.verification.bootstrap import open_verifier

NOW_MS = 1_767_225_600_000
DEADLINE_S = 30


@dataclass(kw_only=True)
class System:
    """What is there, and a journal of what was accepted."""

    folder: Path
    warehouse: WarehouseSection
    max_rows: int = 7
    accepted: list[Event] = field(default_factory=list)
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        """Make up the settings."""
        self.settings = Settings(
            log=LogSection(url=f"sqlite:///{self.folder}/log.db", partitions=2),
            warehouse=self.warehouse,
            etl=EtlSection(
                max_rows=self.max_rows, max_age_s=0.02, retry_first_s=0.01, retry_most_s=0.05
            ),
        )

    @property
    def log(self) -> LogSection:
        return self.settings.log

    async def make_topics(self) -> None:
        async with open_log_admin(self.log) as admin:
            await admin.apply(await admin.plan(topics(self.log)))

    def event(self, *, user: int = 1, at_ms: int | None = None, **changes: Any) -> Event:
        """Return a report of a user; each is a minute after the last one."""
        number = len(self.accepted) + 1
        at_ms = NOW_MS + number * 60_000 if at_ms is None else at_ms
        fields: dict[str, Any] = {
            "event_id": uuid7(number),
            "film_id": UUID(int=number % 3 + 1),
            "user_id": UUID(int=user),
            "progress": float(number),
            "total": 5400.0,
            "watched_from": max(number - 10.0, 0.0),
            "viewed_at": at_ms,
            "received_at": at_ms,
        }
        return Event(**(fields | changes))

    async def accept(self, many: int, *, users: int = 4) -> list[Event]:
        """Append so many reports, by users in turn."""
        fresh: list[Event] = []
        for number in range(many):
            fresh.append(self.event(user=number % users + 1))
            self.accepted.append(fresh[-1])
        async with open_log_writer(self.log, self.log.topic, clock=SystemClock()) as writer:
            for event in fresh:
                line = encode_event(event)
                await writer.append(key_of(event.user_id), [line], headers=EVENT_HEADERS)
        return fresh

    async def append(self, user: UUID, *lines: bytes, headers: Headers = EVENT_HEADERS) -> Receipt:
        async with open_log_writer(self.log, self.log.topic, clock=SystemClock()) as writer:
            return await writer.append(key_of(user), lines, headers=headers)

    async def forget(self, user: int, *, requested_ms: int = NOW_MS) -> Receipt:
        """Append an erasure; the pipeline carries it out when it comes to it."""
        user_id = UUID(int=user)
        line = encode_erasure(Erasure(user_id=user_id, requested_at=requested_ms))
        return await self.append(user_id, line, headers=ERASURE_HEADERS)

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[None]:
        """Let the pipeline run meanwhile."""
        stop = asyncio.Event()
        async with open_pipeline(
            self.settings, clock=SystemClock(), metrics=EtlMetrics()
        ) as pipeline:
            running = asyncio.create_task(pipeline.run(stop))
            try:
                yield
            finally:
                stop.set()
                await asyncio.wait_for(running, DEADLINE_S)

    async def ingest(self) -> None:
        """Run the pipeline until everything is committed."""
        async with self.pipeline():
            await self.caught_up()

    async def caught_up(self) -> None:
        async with asyncio.timeout(DEADLINE_S), open_log_admin(self.log) as admin:
            while True:
                marks = await admin.watermarks(self.log.topic)
                commits = await self.commits()
                if all(
                    ends.high == 0 or (p in commits and commits[p].offset == ends.high)
                    for p, ends in marks.items()
                ):
                    return
                await asyncio.sleep(0.01)

    async def commits(self) -> Mapping[int, Commit]:
        async with open_log_admin(self.log) as admin:
            return await admin.committed_by(self.log.group, self.log.topic)

    async def select(self, sql: str) -> Sequence[tuple[Any, ...]]:
        async with open_warehouse(self.warehouse) as warehouse:
            return (await warehouse.read(sql)).rows

    async def execute(self, *statements: str) -> None:
        async with open_warehouse(self.warehouse) as warehouse:
            for sql in statements:
                await warehouse.execute(sql, settings={"mutations_sync": 2})

    async def assert_exact(self, accepted: Sequence[Event] | None = None) -> None:
        """Hold every number against a recomputation from what was accepted."""
        films = [UUID(int=number) for number in range(1, 4)]
        async with open_warehouse(self.warehouse) as warehouse:
            assert await stored(warehouse, films) == recount(
                self.accepted if accepted is None else accepted
            )

    async def assert_verified(self) -> None:
        """Let `verify --deep` judge."""
        async with open_verifier(
            self.settings, clock=SystemClock(), progress=lambda *_: None
        ) as verifier:
            verdict = await verifier.run(deep=True)
        assert verdict.good, verdict.findings

    @asynccontextmanager
    async def replays(self) -> AsyncIterator[LogReplays]:
        async with open_log_replays(self.settings, clock=SystemClock()) as replays:
            yield replays

    async def replay(
        self, selection: Selection, *, batches: int | None = None
    ) -> tuple[Plan, Tally]:
        """Replay; after so many batches it is interrupted."""
        async with self.replays() as replays:
            plan = await replays.plan(selection)
            await replays.keep(plan)
            return plan, await run(replays, plan, batches=batches)

    async def count(self, selection: Selection) -> Tally:
        """Do a dry run."""
        async with self.replays() as replays:
            plan = await replays.plan(selection)
            last = Tally()

            def told(tally: Tally) -> None:
                nonlocal last
                last = tally

            assert await replays.count(plan, plan.spans, stop=asyncio.Event(), told=told)
            return last

    async def letters(self, *, resolved: bool = False) -> list[Letter]:
        async with open_log_admin(self.log) as admin, open_log_scanner(self.log) as scanner:
            box = LetterBox(admin=admin, scanner=scanner, topic=self.log.dlq_topic)
            known = await box.known()
            return [letter async for letter in box.letters(Filters(), known, resolved=resolved)]


async def run(replays: LogReplays, plan: Plan, *, batches: int | None = None) -> Tally:
    """Run what is left of a plan; return the counts of this run."""
    stop = asyncio.Event()
    last = Tally()
    taken = 0

    def told(tally: Tally) -> None:
        nonlocal last, taken
        last = tally
        taken += 1
        if taken == batches:
            stop.set()

    if batches == 0:
        stop.set()
    await replays.run(plan, await replays.left(plan), stop=stop, told=told)
    return last
