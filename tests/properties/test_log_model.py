"""Whatever is done to it, every real log answers as the in-memory log does."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.kafka_logs import kafka_section
from ugc_core.adapters.memory_log import MemoryLog
from ugc_core.bootstrap import topics
from ugc_core.clock import ManualClock
from ugc_core.codec import split_lines
from ugc_core.log import Commit
from ugc_core.partitioner import partition_for
from ugc_core.settings import LogSection

KEYS = tuple(b"user-%d" % n for n in range(6))
# Small bounds, so that a handful of appends is already more than one record.
SECTION = LogSection(partitions=2, pack_lines=5, pack_bytes=60)
MOST_PARTITIONS = 5
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without looking for a smaller example: each one takes a second of a broker's time."""

partition = st.integers(0, MOST_PARTITIONS - 1)
place = st.integers(0, 30)
call = st.tuples(st.sampled_from(KEYS), st.integers(1, 4))
action = st.one_of(
    st.tuples(st.just("append"), st.lists(call, min_size=1, max_size=6)),
    st.tuples(st.just("poll"), st.integers(1, 4)),
    st.tuples(st.just("pause"), partition),
    st.tuples(st.just("resume"), partition),
    st.tuples(st.just("seek"), st.tuples(partition, place)),
    st.tuples(st.just("commit"), st.tuples(partition, place, st.text(max_size=5))),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("grow"), st.none()),
)

Open = Callable[[LogSection], AbstractAsyncContextManager[Any]]


@settings(max_examples=150, deadline=None)
@given(actions=st.lists(action, max_size=16))
def test_sqlite_answers_as_memory_does(actions, open_memory_log, open_sqlite_log):
    memory = MemoryLog()
    on_memory = Play(lambda section: open_memory_log(memory, section))
    with TemporaryDirectory() as folder:
        path = Path(folder, "log.db")
        on_sqlite = Play(lambda section: open_sqlite_log(path, section, ManualClock()))

        assert asyncio.run(on_sqlite.all(actions)) == asyncio.run(on_memory.all(actions))


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=QUICK
)
@given(actions=st.lists(action, min_size=6, max_size=16))
def test_kafka_answers_as_memory_does(actions, kafka, open_memory_log, open_kafka_log):
    memory = MemoryLog()
    on_memory = Play(lambda section: open_memory_log(memory, section))
    names = kafka_section(kafka.url, partitions=2, pack_lines=5, pack_bytes=60)
    on_kafka = Play(
        lambda section: open_kafka_log(
            msgspec.structs.replace(names, partitions=section.partitions), ManualClock()
        )
    )

    assert asyncio.run(on_kafka.all(actions)) == asyncio.run(on_memory.all(actions))


class Play:
    """Does the actions on one log and notes what it answers.

    Records may be packed differently, so offsets differ: places to seek and to commit are
    named by the round of appends that begins there, and answers by their lines. A poll
    takes as many records as it likes, so the lines handed out are compared only when
    everything was polled: before each action that moves a position.
    """

    def __init__(self, open_log: Open) -> None:
        self.open = open_log
        self.section = SECTION
        self.answers: list[object] = []
        self.handed_out: dict[int, list[bytes]] = {}
        self.next_offsets: dict[int, int] = {}
        self.paused: frozenset[int] = frozenset()
        self.rounds: dict[int, list[int]] = {}
        """By partition, the offset of the first record of each round."""
        self.sent = 0
        self.kept: list[tuple[int, int, int, list[bytes]]] = []

    async def all(self, actions):
        async with AsyncExitStack() as stack:
            self.stack = stack
            await self.reopen()
            for name, argument in actions:
                if name not in {"append", "poll"}:
                    await self.drain()
                await getattr(self, name)(argument)
            await self.resume_everything()
            await self.look_at_commits()
            await self.look_at_receipts()
        return self.answers

    async def reopen(self):
        await self.stack.aclose()
        self.log = await self.stack.enter_async_context(self.open(self.section))
        self.paused, self.next_offsets = frozenset(), {}

    async def append(self, calls):
        batch: list[tuple[bytes, list[bytes]]] = []
        for key, number in calls:
            batch.append((key, [b"%s:%d" % (key, self.sent + n) for n in range(number)]))
            self.sent += number
        receipts = await asyncio.gather(*(self.log.writer.append(*one) for one in batch))
        begun: dict[int, int] = {}
        for receipt, (_, lines) in zip(receipts, batch, strict=True):
            at = begun.setdefault(receipt.partition, receipt.offset)
            assert receipt.offset >= at
            self.kept.append((receipt.partition, receipt.offset, receipt.line, lines))
        for number, offset in begun.items():
            self.rounds.setdefault(number, []).append(offset)
        self.answers.append([receipt.partition for receipt in receipts])

    async def poll(self, most):
        found = await self.log.reader.poll(max_records=most, timeout_s=0)
        assert sum(map(len, found.values())) <= most
        assert not self.paused & set(found)
        for number, records in found.items():
            for record in records:
                assert record.partition == number
                assert record.offset >= self.next_offsets.get(number, 0)
                self.next_offsets[number] = record.offset + 1
                self.handed_out.setdefault(number, []).extend(split_lines(record.value))
        return bool(found)

    async def drain(self):
        while await self.poll(3):
            pass
        self.answers.append((self.handed_out, self.log.reader.assigned()))
        self.handed_out = {}

    async def pause(self, number):
        self.log.reader.pause(frozenset({number}))
        self.paused |= {number}

    async def resume(self, number):
        self.log.reader.resume(frozenset({number}))
        self.paused -= {number}

    async def seek(self, where):
        number, nth = where
        if (offset := self.offset_of(number, nth)) is not None:
            self.log.reader.seek(number, offset)
            self.next_offsets[number] = 0

    async def commit(self, what):
        number, nth, note = what
        if (offset := self.offset_of(number, nth)) is not None:
            await self.log.reader.commit({number: Commit(offset=offset, metadata=note)})

    async def restart(self, _):
        await self.reopen()

    async def grow(self, _):
        before = self.section.partitions
        after = min(before + 1, MOST_PARTITIONS)
        self.section = msgspec.structs.replace(self.section, partitions=after)
        grown = msgspec.structs.replace(self.log.section, partitions=after)
        await self.log.admin.apply(await self.log.admin.plan(topics(grown)))
        # A writer learns of it with its next append; until then it goes by the old number.
        keys = (b"settled-%d" % n for n in count())
        key = next(k for k in keys if partition_for(k, before) == partition_for(k, after))
        await self.append([(key, 1)])

    def offset_of(self, number, nth):
        rounds = self.rounds.get(number, [])
        return rounds[nth % len(rounds)] if rounds else None

    async def resume_everything(self):
        self.log.reader.resume(self.paused)
        self.paused = frozenset()
        await self.drain()

    async def look_at_commits(self):
        found = await self.log.reader.committed(frozenset(range(MOST_PARTITIONS)))
        named = {
            number: (self.rounds[number].index(commit.offset), commit.metadata)
            for number, commit in found.items()
        }
        self.answers.append(named)

    async def look_at_receipts(self):
        for number in range(self.section.partitions):
            self.log.reader.seek(number, 0)
        records = {
            (record.partition, record.offset): split_lines(record.value)
            for of_partition in (await self.log.records()).values()
            for record in of_partition
        }
        for number, offset, line, lines in self.kept:
            assert records[number, offset][line : line + len(lines)] == lines
        assert sum(map(len, records.values())) == self.sent
