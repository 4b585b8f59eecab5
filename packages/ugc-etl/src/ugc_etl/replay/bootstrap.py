"""Replays of the log, put together from the settings."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from msgspec.structs import replace

from ugc_core import warehouse_schema
from ugc_core.backoff import Backoff
from ugc_core.bootstrap import open_log_admin, open_log_scanner, open_log_writer, open_warehouse
from ugc_core.clock import Clock
from ugc_core.errors import UgcError
from ugc_core.log import LogAdmin, LogScanner, LogWriter
from ugc_core.settings import Settings
from ugc_core.urls import warehouse_target
from ugc_etl.adapters.clickhouse_replay_ledger import ClickHouseReplayLedger
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.adapters.log_dead_letters import LogDeadLetters
from ugc_etl.insertion import Insertion
from ugc_etl.letters.letter_box import LetterBox
from ugc_etl.ports import ViewsStore
from ugc_etl.replay.counting import Counting
from ugc_etl.replay.forgetting import Forgetting
from ugc_etl.replay.graves import Graves
from ugc_etl.replay.planning import Planning
from ugc_etl.replay.plans import Kind, Plan, Selection, new_id
from ugc_etl.replay.portions import LetterLines, LogLines, Sorting
from ugc_etl.replay.ports import ReplayLedger
from ugc_etl.replay.rebuild import Rebuild, Rebuilt
from ugc_etl.replay.spans import Span, subtract
from ugc_etl.replay.storing import Storing
from ugc_etl.replay.tallies import Tally
from ugc_etl.replay.token_bucket import TokenBucket
from ugc_etl.replay.walking import Hand, Walk
from ugc_etl.retry import Retry

_LONG_S = 3600.0
"""Longest wait for one statement of a rebuild, in seconds."""


@dataclass(frozen=True, kw_only=True)
class LogReplays:
    """Plans replays of the log and carries them out.

    Attributes:
        settings: The settings.
        clock: Time.
        retry: How to wait for log and warehouse.
        admin: Knows where topics end.
        scanner: Reads them.
        box: Writes to the topic of the dead letters.
        store: The warehouse.
        ledger: What replays keep there.
    """

    settings: Settings
    clock: Clock
    retry: Retry
    admin: LogAdmin
    scanner: LogScanner
    box: LogWriter
    store: ViewsStore
    ledger: ReplayLedger

    @property
    def planning(self) -> Planning:
        """Finds ranges."""
        log = self.settings.log
        return Planning(
            admin=self.admin,
            scanner=self.scanner,
            ledger=self.ledger,
            topic=log.topic,
            dlq_topic=log.dlq_topic,
            group=log.group,
        )

    async def plan(self, selection: Selection) -> Plan:
        """Return what a selection means now; nothing is kept yet.

        Raises:
            OffsetOutOfRangeError: Some of it is no longer in the log, or not yet.
        """
        planning = self.planning
        spans = await planning.spans(selection)
        return Plan(
            id=new_id(self.clock.wall_ms()),
            kind=selection.kind,
            topic=planning.topic_of(selection.kind),
            spans=tuple(spans),
        )

    async def keep(self, plan: Plan) -> None:
        """Keep a plan, so that it can be resumed."""
        if plan.spans:
            await self.ledger.note(plan)

    async def find(self, replay_id: str) -> Plan | None:
        """Return a plan that was kept."""
        topics = (self.settings.log.topic, self.settings.log.dlq_topic)
        return await self.ledger.find(replay_id, topics)

    async def left(self, plan: Plan) -> Sequence[Span]:
        """Return the ranges of a plan that are not done."""
        return subtract(plan.spans, await self.ledger.covered(plan.ledger_topic))

    async def run(
        self,
        plan: Plan,
        spans: Sequence[Span],
        *,
        stop: asyncio.Event,
        told: Callable[[Tally], None],
        rate: float | None = None,
    ) -> bool:
        """Replay ranges of a plan; return whether they are done, or it was told to stop."""
        hand = self._storing(plan, await self._sorting(plan.kind))
        return await self._walk(plan, hand, rate).run(spans, stop, told)

    async def count(
        self,
        plan: Plan,
        spans: Sequence[Span],
        *,
        stop: asyncio.Event,
        told: Callable[[Tally], None],
    ) -> bool:
        """Count what replaying ranges of a plan would do; change nothing."""
        hand = Counting(
            sorting=await self._sorting(plan.kind),
            ledger=self.ledger,
            erased=await self.retry.until_done("erasures", self.store.erased),
            retry=self.retry,
        )
        return await self._walk(plan, hand, None).run(spans, stop, told)

    def _walk(self, plan: Plan, hand: Hand, rate: float | None) -> Walk:
        limits = self.settings.etl
        if rate is not None:  # a second's worth at most, so that the rate is an even one
            limits = replace(limits, max_rows=max(min(limits.max_rows, int(rate)), 1))
        return Walk(
            topic=plan.topic,
            scanner=self.scanner,
            retry=self.retry,
            limits=limits,
            hand=hand,
            bucket=None if rate is None else TokenBucket(rate, self.clock),
        )

    async def _sorting(self, kind: Kind) -> Sorting:
        if kind is Kind.LETTERS:
            known = await self.retry.until_done("dead letters", self._letters.known)
            return LetterLines(known=known)
        return LogLines()

    @property
    def _letters(self) -> LetterBox:
        topic = self.settings.log.dlq_topic
        return LetterBox(admin=self.admin, scanner=self.scanner, topic=topic)

    def _storing(self, plan: Plan, sorting: Sorting) -> Storing:
        topic, etl = self.settings.log.topic, self.settings.etl
        inserting = partial(
            Insertion,
            store=self.store,
            retry=self.retry,
            max_refused_in_a_row=etl.max_bad_in_a_row,
        )
        dead_letters = LogDeadLetters(self.box)
        return Storing(
            plan=plan,
            views_topic=topic,
            sorting=sorting,
            insertion=inserting(tokens=etl.insert_tokens),
            store=self.store,
            forgetting=Forgetting(
                topic=topic,
                admin=self.admin,
                scanner=self.scanner,
                store=self.store,
                insertion=inserting(tokens=False),
                retry=self.retry,
            ),
            graves=Graves(box=self._letters, dead_letters=dead_letters, retry=self.retry),
            box=self.box,
            retry=self.retry,
        )


@asynccontextmanager
async def open_log_replays(
    settings: Settings, *, clock: Clock, on_failure: Callable[[UgcError], None] = lambda _: None
) -> AsyncIterator[LogReplays]:
    """Open everything that a replay of the log needs; no consumer group is joined.

    Args:
        settings: The settings.
        clock: Time.
        on_failure: Told of what is tried again.

    Raises:
        SchemaMismatchError: The warehouse's tables are not there.
        TransientError: Log or warehouse do not answer.
    """
    target = warehouse_target(settings.warehouse.url)
    backoff = Backoff(first_s=settings.etl.retry_first_s, most_s=settings.etl.retry_most_s)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        warehouse = await enter(open_warehouse(settings.warehouse))
        await warehouse_schema.require(warehouse, target)
        yield LogReplays(
            settings=settings,
            clock=clock,
            retry=Retry(clock=clock, backoff=backoff, on_failure=on_failure),
            admin=await enter(open_log_admin(settings.log)),
            scanner=await enter(open_log_scanner(settings.log)),
            box=await enter(open_log_writer(settings.log, settings.log.dlq_topic, clock=clock)),
            store=ClickHouseStore(warehouse, target),
            ledger=ClickHouseReplayLedger(warehouse, target),
        )


@asynccontextmanager
async def open_rebuild(
    settings: Settings, *, clock: Clock, told: Callable[[Rebuilt], None]
) -> AsyncIterator[Rebuild]:
    """Open the warehouse for building its derived tables anew.

    Raises:
        SchemaMismatchError: The tables are not there.
        WarehouseUnavailableError: The warehouse did not answer.
    """
    target = warehouse_target(settings.warehouse.url)
    section = settings.warehouse
    patient = replace(
        section,
        read_timeout_s=max(section.read_timeout_s, _LONG_S),
        insert_timeout_s=max(section.insert_timeout_s, _LONG_S),
    )
    async with open_warehouse(patient) as warehouse:
        await warehouse_schema.require(warehouse, target)
        began = datetime.fromtimestamp(clock.wall_ms() / 1000, UTC)
        yield Rebuild(
            warehouse=warehouse,
            target=target,
            clock=clock,
            run=f"{began:%Y%m%dt%H%M%S}{began.microsecond // 1000:03d}",
            told=told,
        )
