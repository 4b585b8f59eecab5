"""One batch of a replay into the store in memory: what goes wrong on the way."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.unit.ugc_etl.builders import NOW_MS, TOPIC, event, line
from tests.unit.ugc_etl.fakes import ChoosyStore, FlakyLetters, FlakyStore, World
from ugc_core.adapters.memory_log import MemoryLogAdmin, MemoryLogScanner, MemoryLogWriter
from ugc_core.codec import encode_event
from ugc_core.log import Topic
from ugc_core.settings import EtlSection
from ugc_etl.adapters.log_dead_letters import LogDeadLetters
from ugc_etl.adapters.memory_store import MemoryStore
from ugc_etl.erasures import ErasedUser
from ugc_etl.insertion import Insertion
from ugc_etl.letters.letter_box import LetterBox
from ugc_etl.letters.resolutions import Resolution
from ugc_etl.ports import DeadLetter
from ugc_etl.replay.forgetting import Forgetting
from ugc_etl.replay.graves import Graves
from ugc_etl.replay.plans import Kind, Plan
from ugc_etl.replay.portions import LetterLines, LogLines
from ugc_etl.replay.spans import Span
from ugc_etl.replay.storing import Storing
from ugc_etl.replay.tallies import Tally
from ugc_etl.replay.walking import Walk
from ugc_etl.rows import Rows

DLQ = f"{TOPIC}.dlq"


@dataclass(kw_only=True)
class Replays:
    """Replays over a log and a store in memory."""

    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        """Make the topic of the letters."""
        self.world.log.topics[DLQ] = Topic(name=DLQ, partitions=1, retention_ms=1)

    @property
    def box(self) -> LetterBox:
        admin, scanner = MemoryLogAdmin(self.world.log), MemoryLogScanner(self.world.log)
        return LetterBox(admin=admin, scanner=scanner, topic=DLQ)

    async def run(self, kind: Kind = Kind.LOG, *, max_rows: int = 100) -> Tally:
        """Replay everything that is there."""
        world = self.world
        topic = DLQ if kind is Kind.LETTERS else TOPIC
        marks = await self.box.admin.watermarks(topic)
        spans = tuple(Span(partition=p, start=0, end=ends.high) for p, ends in marks.items())
        plan = Plan(id="x", kind=kind, topic=topic, spans=spans)
        store: Any = world.store
        insertion = Insertion(store=store, retry=world.retry(), max_refused_in_a_row=1000)
        letters = kind is Kind.LETTERS
        storing = Storing(
            plan=plan,
            views_topic=TOPIC,
            sorting=LetterLines(known=await self.box.known()) if letters else LogLines(),
            insertion=insertion,
            store=store,
            forgetting=Forgetting(
                topic=TOPIC,
                admin=self.box.admin,
                scanner=self.box.scanner,
                store=store,
                insertion=insertion,
                retry=world.retry(),
            ),
            graves=Graves(box=self.box, dead_letters=world.letters, retry=world.retry()),
            box=MemoryLogWriter(world.log, DLQ),
            retry=world.retry(),
        )
        walk = Walk(
            topic=topic,
            scanner=self.box.scanner,
            retry=world.retry(),
            limits=EtlSection(max_rows=max_rows),
            hand=storing,
        )
        assert await walk.run(spans, asyncio.Event(), lambda _: None)
        return walk.tally

    def append(self, *lines: bytes) -> None:
        """Append a record for each line."""
        for one in lines:
            record = self.world.append(one)
            self.world.log.high[TOPIC, 0] = record.offset + 1


async def test_what_is_down_is_waited_for():
    store = FlakyStore(failures=3)
    replays = Replays(world=World(store=store, letters=FlakyLetters(failures=3)))
    replays.append(line(1), b"bad")

    tally = await replays.run()

    assert (tally.events, tally.dead) == (1, 1)
    assert len(store.events) == 1
    assert replays.world.clock.now() > 0


async def test_tokens_and_ledger_are_the_replays_own():
    replays = Replays()
    replays.append(line(1), line(2))

    await replays.run(max_rows=1)

    store: MemoryStore = replays.world.store
    assert all(token.startswith("replay:x:views:0:") for token in store.tokens)
    assert len(set(store.tokens)) == 2
    assert {topic for topic, *_ in store.ledger} == {"views#replay-x"}


async def test_a_closed_gap_is_the_topics_own():
    replays = Replays()
    replays.append(line(1))

    await replays.run(Kind.GAPS)

    assert {topic for topic, *_ in replays.world.store.ledger} == {TOPIC}


async def test_a_row_that_the_warehouse_refuses_gets_a_letter_and_the_others_are_stored():
    refused = event(2)
    replays = Replays(world=World(store=ChoosyStore(refused.event_id)))
    replays.append(line(1), line(2), line(3))

    tally = await replays.run()

    assert (tally.events, tally.dead) == (2, 1)
    assert len(replays.world.store.events) == 2
    [letter] = replays.world.letters.letters.values()
    assert letter.payload == encode_event(refused)


class LateErasureStore(MemoryStore):
    """Its user is erased while the first insert is under way."""

    def __init__(self, user: int) -> None:
        super().__init__()
        self.user = user

    async def insert(self, rows: Rows, *, token: str) -> None:
        if not self.erasures:
            erased = ErasedUser(
                user_id=UUID(int=self.user), partition=0, offset=2, requested_ms=NOW_MS + 1
            )
            await self.erase(erased)
        await super().insert(rows, token=token)


async def test_a_user_that_is_erased_meanwhile_stays_erased_and_what_came_later_stays():
    store = LateErasureStore(user=1)
    replays = Replays(world=World(store=store))
    later = event(4, viewed_at=NOW_MS + 5000)
    other = event(2, user_id=UUID(int=2))
    replays.append(line(1), encode_event(other), b"erasure", encode_event(later))

    tally = await replays.run(max_rows=2)

    assert {kept.event_id for kept in store.events} == {other.event_id, later.event_id}
    assert tally.erased == 1
    assert tally.lines == tally.events + tally.dead + tally.erased


async def test_letters_that_are_stored_are_closed_and_the_others_stay_open():
    def letter(number: int, payload: bytes) -> DeadLetter:
        return DeadLetter(
            topic=TOPIC,
            partition=3,
            offset=number,
            line=0,
            reason="r",
            payload=payload,
            schema_version="1",
        )

    refused = event(3)
    replays = Replays(world=World(store=ChoosyStore(refused.event_id)))
    writer = LogDeadLetters(MemoryLogWriter(replays.world.log, DLQ))
    await writer.put([letter(1, line(1)), letter(2, b"bad"), letter(3, line(3))])
    await writer.put([letter(1, line(1))])  # a repeat

    tally = await replays.run(Kind.LETTERS)
    again = await replays.run(Kind.LETTERS)

    assert (tally.lines, tally.events, tally.dead) == (3, 1, 2)
    assert (again.lines, again.events, again.dead) == (2, 0, 2)
    known = await replays.box.known()
    assert known["views:3:1:0"] is Resolution.REPLAYED
    assert known.open == 2
    [kept] = replays.world.store.kept.values()
    assert kept[1] == event(1)
