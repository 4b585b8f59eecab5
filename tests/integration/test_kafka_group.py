"""What only a consumer group of Kafka has: members that come, go, hang and come back."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from tests.kafka_logs import kafka_ports, kafka_section, kafka_target, poll_on, until_true
from ugc_core.adapters.kafka_reader import KafkaLogReader
from ugc_core.adapters.kafka_writer import KafkaLogWriter
from ugc_core.clock import SystemClock
from ugc_core.errors import OffsetOutOfRangeError, PartitionLostError
from ugc_core.log import Commit
from ugc_core.partitioner import partition_for

KEYS = tuple(
    next(b"user-%d" % n for n in range(1000) if partition_for(b"user-%d" % n, 4) == partition)
    for partition in range(4)
)


@pytest.fixture
def section(kafka):
    return kafka_section(kafka.url)


class Log(NamedTuple):
    """A log with the first member of its group."""

    writer: KafkaLogWriter
    reader: KafkaLogReader


@asynccontextmanager
async def opened(section):
    async with kafka_ports(section, SystemClock()) as log:
        yield Log(log.writer, log.reader.reader)


def member(section):
    """Open another member of the group."""
    return KafkaLogReader.open(kafka_target(section), section.topic, section.group, section)


async def fill(log, count: int, *, start: int = 0) -> None:
    """Append numbered lines to every partition."""
    for key in KEYS:
        for number in range(start, start + count):
            await log.writer.append(key, [b"%d" % number])


async def read(reader, found: dict[int, list[bytes]]) -> None:
    """Poll once and add the values to `found`."""
    polled = await reader.poll(max_records=100, timeout_s=0.05)
    for partition, records in polled.items():
        found.setdefault(partition, []).extend(record.value for record in records)


async def share(*readers, of: int = 4) -> None:
    """Poll until the members hold every partition between them, each one once."""

    async def settled() -> bool:
        for reader in readers:
            await reader.poll(max_records=1, timeout_s=0.05)
        held = [partition for reader in readers for partition in reader.assigned()]
        return sorted(held) == list(range(of)) and all(reader.assigned() for reader in readers)

    for reader in readers:
        reader.pause(frozenset(range(of)))
    await until_true(settled, "the group has shared out")
    for reader in readers:
        reader.resume(frozenset(range(of)))


async def joined(reader: KafkaLogReader) -> int:
    """Poll until a new member holds some partitions; return one of them."""
    reader.pause(frozenset(range(4)))

    async def holds() -> bool:
        await reader.poll(max_records=1, timeout_s=0.05)
        return bool(reader.assigned())

    await until_true(holds, "the new member has joined")
    return next(iter(reader.assigned()))


async def test_a_partition_that_stays_goes_on_and_one_that_moves_starts_at_the_commit(section):
    async with opened(section) as log:
        await fill(log, 4)
        mine: dict[int, list[bytes]] = {}
        await until_true(lambda: all_read(mine, 4, log.reader), "the first member has read all")
        await log.reader.commit({p: Commit(offset=2, metadata=f"note {p}") for p in range(4)})

        async with member(section) as second:
            await share(log.reader, second)
            kept, moved = log.reader.assigned(), second.assigned()
            theirs: dict[int, list[bytes]] = {}
            await fill(log, 1, start=4)
            await until_true(
                lambda: both_read(log.reader, mine, kept, second, theirs, moved),
                "both have read on",
            )
            notes = await second.committed(moved)

    assert all(mine[p] == [b"0", b"1", b"2", b"3", b"4"] for p in kept)
    assert all(theirs[p] == [b"2", b"3", b"4"] for p in moved)
    assert notes == {p: Commit(offset=2, metadata=f"note {p}") for p in moved}


async def all_read(found, count, reader) -> bool:
    await read(reader, found)
    return sorted(map(len, found.values())) == [count] * 4


async def both_read(first, mine, kept, second, theirs, moved) -> bool:
    await read(first, mine)
    await read(second, theirs)
    return all(mine[p][-1] == b"4" for p in kept) and all(
        theirs.get(p, [b""])[-1] == b"4" for p in moved
    )


async def test_nobody_commits_for_a_partition_that_another_member_has(section):
    async with opened(section) as log, member(section) as second:
        await fill(log, 2)
        await share(log.reader, second)
        moved = next(iter(second.assigned()))
        await second.commit({moved: Commit(offset=2)})

        with pytest.raises(PartitionLostError, match=rf"{section.topic}\[{moved}\]"):
            await log.reader.commit({moved: Commit(offset=1)})

        assert (await log.reader.committed(frozenset({moved})))[moved] == Commit(offset=2)


async def test_a_commit_between_two_polls_sees_that_the_group_has_shared_out_anew(section):
    async with opened(section) as log:
        await fill(log, 2)
        async with member(section) as second:
            # The first member does not poll meanwhile: what it has is what its last poll said.
            moved = await joined(second)
            assert moved in log.reader.assigned()

            with pytest.raises(PartitionLostError):
                await log.reader.commit({moved: Commit(offset=1)})


async def test_a_member_that_has_not_heard_yet_what_it_lost_commits_nothing_for_it(section):
    async with opened(section) as log:
        await fill(log, 2)
        await share(log.reader)
        heard, answers = hears_late(log.reader), answered(log.reader)
        async with member(section) as second:
            moved = await joined(second)
            kept = next(p for p in range(4) if p not in second.assigned())
            commits = {p: Commit(offset=1, metadata="late") for p in (moved, kept)}
            tasks = {p: asyncio.create_task(log.reader.commit({p: commits[p]})) for p in commits}
            await until_true(lambda: len(answers) >= 4, "the coordinator has answered both")
            heard.set()

            with pytest.raises(PartitionLostError, match=rf"{section.topic}\[{moved}\]"):
                await tasks[moved]
            await tasks[kept]

            assert await second.committed(frozenset(range(4))) == {kept: commits[kept]}


def hears_late(reader) -> asyncio.Event:
    """Have a member of the next generation learn what is its own only once the event is set."""
    heard = asyncio.Event()
    coordinator = reader._consumer._current._coordinator
    join_complete = coordinator._on_join_complete

    async def late(*arguments) -> None:
        await heard.wait()
        await join_complete(*arguments)

    coordinator._on_join_complete = late
    return heard


def answered(reader) -> list[object]:
    """Note whenever the coordinator has answered a commit, or refused it."""
    found: list[object] = []
    queries = reader._commits.queries
    ask = queries.ask_coordinator_once

    async def noted(*arguments) -> object:
        try:
            return await ask(*arguments)
        finally:
            found.append(arguments)

    queries.ask_coordinator_once = noted
    return found


async def test_a_member_that_was_thrown_out_sees_its_partitions_go_before_they_come_back(section):
    async with opened(section) as log:
        await fill(log, 3)
        before: dict[int, list[bytes]] = {}
        await until_true(lambda: all_read(before, 3, log.reader), "everything was read")
        await log.reader.commit({p: Commit(offset=1) for p in range(4)})

        inner = log.reader
        inner._consumer.throw_away("a test")
        await inner.poll(max_records=100, timeout_s=0)
        gone = inner.assigned()
        with pytest.raises(PartitionLostError):
            await log.reader.commit({0: Commit(offset=3)})
        again: dict[int, list[bytes]] = {}
        await until_true(lambda: all_read(again, 2, log.reader), "it was read again")

    assert gone == frozenset()
    assert again == {p: [b"1", b"2"] for p in range(4)}


async def test_a_killed_member_is_replaced_after_its_session(section):
    short = msgspec.structs.replace(section.kafka, session_timeout_s=1.0)
    section = msgspec.structs.replace(section, kafka=short)
    async with opened(section) as log:
        await fill(log, 2)
        async with AsyncExitStack() as stack:
            killed = await stack.enter_async_context(member(section))
            await share(log.reader, killed)
            consumer = killed._consumer._current
            consumer._coordinator._heartbeat_task.cancel()  # silent, as a dead process is

            await share(log.reader)

        assert log.reader.assigned() == frozenset(range(4))


async def test_a_client_that_stands_still_is_replaced(kafka):
    quick = kafka_section(kafka.url).kafka
    impatient = msgspec.structs.replace(quick, stuck_after_s=0.3)
    section = kafka_section(kafka.url, kafka=impatient)
    async with opened(section) as log:
        inner = log.reader
        first = inner._consumer._current
        for partition in range(4):  # behind the reader's back: it believes that records come
            inner._consumer.hold(partition, back=True)
        await fill(log, 1)

        found: dict[int, list[bytes]] = {}
        await until_true(lambda: all_read(found, 1, inner), "a new client reads on")

        assert inner._consumer._current is not first


async def test_records_that_have_gone_before_they_were_read_stop_the_reader(section, kafka):
    async with opened(section) as log:
        await fill(log, 5)
        found: dict[int, list[bytes]] = {}
        await until_true(lambda: all_read(found, 5, log.reader), "everything was read")
        await log.reader.commit({p: Commit(offset=1) for p in range(4)})
        await drop_below(section, 2, 3)

    async with member(section) as reader:
        with pytest.raises(OffsetOutOfRangeError, match=r"\[2\]: offset 1 .* 3 to 5.*ugc status"):
            await poll_on(reader)
        reader.seek(2, 3)
        rest: dict[int, list[bytes]] = {}
        await until_true(lambda: has(reader, rest, 2, [b"3", b"4"]), "it goes on, on purpose")


async def test_records_that_go_while_a_partition_is_held_back_stop_the_reader(section):
    async with opened(section) as log:
        log.reader.pause(frozenset({2}))
        await fill(log, 5)
        await drop_below(section, 2, 3)
        log.reader.resume(frozenset({2}))

        with pytest.raises(OffsetOutOfRangeError, match=r"\[2\]: offset 0 .* 3 to 5"):
            await poll_on(log.reader)


async def has(reader, found, partition, values) -> bool:
    await read(reader, found)
    return bool(found.get(partition) == values)


async def drop_below(section, partition: int, offset: int) -> None:
    """Let go of a partition's oldest records, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=list(kafka_target(section).servers))
    await admin.start()
    try:
        place = TopicPartition(section.topic, partition)
        await admin.delete_records({place: RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


async def test_a_poll_returns_in_time_while_the_group_shares_out(section):
    async with opened(section) as log, member(section) as second:
        polled = [
            await reader.poll(max_records=1, timeout_s=0.02)
            for _ in range(12)
            for reader in (log.reader, second)
        ]
        await share(log.reader, second)

    assert not any(polled)
