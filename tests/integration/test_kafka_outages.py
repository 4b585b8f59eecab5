"""A broker that dies, hangs or forgets: every wait ends, and all goes on when it is back."""

import asyncio
import os
from collections.abc import Iterator

import msgspec
import psutil
import pytest
from harness.kafka import Brokers, running

from tests.integration.kafka_brokers import QUICK_TO_FORGET
from tests.kafka_logs import kafka_ports, kafka_section, poll_on, require_kafka, until_true
from ugc_core.bootstrap import open_log_admin, open_log_scanner, open_log_writer
from ugc_core.clock import ManualClock, SystemClock
from ugc_core.errors import LogBusyError, LogUnavailableError, OffsetOutOfRangeError
from ugc_core.log import Commit

CLOCK = SystemClock()


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    require_kafka()
    with running(tmp_path_factory.mktemp("mortal"), settings=QUICK_TO_FORGET) as brokers:
        yield brokers


@pytest.fixture
def section(mortal: Brokers):
    section = kafka_section(mortal.url, append_timeout_s=0.5, call_timeout_s=2.0)
    kafka = msgspec.structs.replace(section.kafka, session_timeout_s=5.0, stuck_after_s=1.5)
    return msgspec.structs.replace(section, kafka=kafka)


async def appended(log, line: bytes) -> bool:
    try:
        await log.writer.append(b"viewer", [line])
    except LogUnavailableError:
        return False
    return True


async def polled(log, found: list[bytes]) -> None:
    try:
        records = await log.reader.reader.poll(max_records=100, timeout_s=0.2)
    except LogUnavailableError:
        return
    found += [record.value for some in records.values() for record in some]


async def test_while_the_broker_is_down_every_call_ends_and_afterwards_all_goes_on(section, mortal):
    handles = psutil.Process(os.getpid()).num_fds
    async with kafka_ports(section, CLOCK) as log:
        await log.writer.append(b"viewer", [b"before"])
        before = handles()
        mortal[1].kill()

        for _ in range(6):  # long enough that the producer is thrown away meanwhile
            with pytest.raises(LogUnavailableError, match=r"within 0\.5 s"):
                await log.writer.append(b"viewer", [b"lost"])
        calls = (
            log.reader.commit({0: Commit(offset=0)}),
            log.reader.committed(frozenset({0})),
            log.admin.watermarks(section.topic),
            log.scanner.scan(section.topic, 0, 0, 1, max_records=1),
        )
        for call in calls:
            with pytest.raises(LogUnavailableError, match=r"within 2 s|cannot reach"):
                await call
        with pytest.raises(LogUnavailableError):
            await poll_on(log.reader.reader)
        assert handles() <= before + 3

        mortal.restart(1)
        await until_true(lambda: appended(log, b"after"), "appends work again")
        found: list[bytes] = []

        async def everything() -> bool:
            await polled(log, found)
            return {b"before", b"after"} <= set(found)

        await until_true(everything, "the reader reads on")
        await log.reader.commit({p: Commit(offset=0) for p in log.reader.assigned()})

    assert found.count(b"before") == 1


async def test_a_broker_that_hangs_fails_appends_in_time_and_is_used_again(section, mortal):
    async with kafka_ports(section, CLOCK) as log:
        await log.writer.append(b"viewer", [b"before"])
        mortal[1].hang()
        try:
            with pytest.raises(LogUnavailableError, match=r"within 0\.5 s"):
                await log.writer.append(b"viewer", [b"unknown"])
            with pytest.raises(LogUnavailableError, match="within 2 s"):
                await log.admin.watermarks(section.topic)
        finally:
            mortal[1].wake()

        await until_true(lambda: appended(log, b"after"), "appends work again")
        found: list[bytes] = []

        async def everything() -> bool:
            await polled(log, found)
            return {b"before", b"after"} <= set(found)

        await until_true(everything, "the reader reads on")

    assert found.count(b"before") == 1


async def test_what_is_in_flight_stays_bounded_while_the_broker_hangs(section, mortal):
    section = msgspec.structs.replace(section, max_in_flight=10)
    async with kafka_ports(section, CLOCK) as log:
        await log.writer.append(b"viewer", [b"before"])
        mortal[1].hang()
        try:
            for _ in range(3):
                ended = await asyncio.gather(
                    *(log.writer.append(b"viewer", [b"x" * 1000]) for _ in range(30)),
                    return_exceptions=True,
                )
                assert sum(isinstance(error, LogBusyError) for error in ended) == 20
                assert all(isinstance(error, LogUnavailableError) for error in ended)
            waiting = sum(map(len, log.writer._waiting.values()))
        finally:
            mortal[1].wake()
        await until_true(lambda: appended(log, b"after"), "appends work again")

    assert waiting <= 10


async def test_closing_while_the_broker_is_down_ends_in_time(section, mortal):
    async with kafka_ports(section, CLOCK) as log:
        await log.writer.append(b"viewer", [b"a"])
        mortal[1].kill()
        with pytest.raises(LogUnavailableError):
            await log.writer.append(b"viewer", [b"b"])
    mortal.restart(1)

    await until_true(lambda: len(asyncio.all_tasks()) == 1, "every task has ended")


async def test_without_a_broker_opening_says_where_none_was_found(section, mortal):
    nowhere = msgspec.structs.replace(section, url="kafka://127.0.0.1:1")

    for opening in (
        open_log_admin(nowhere),
        open_log_scanner(nowhere),
        open_log_writer(nowhere, "views", clock=CLOCK),
    ):
        with pytest.raises(LogUnavailableError, match=r"cannot reach Kafka at 127\.0\.0\.1:1"):
            async with opening:
                pass


async def test_looking_for_a_topic_does_not_create_it_where_brokers_would(section):
    with pytest.raises(LogUnavailableError, match="run `ugc init`"):
        async with open_log_writer(section, section.topic, clock=CLOCK):
            pass
    async with open_log_admin(section) as admin:
        assert await admin.watermarks(section.topic) == {}
        assert await admin.committed_by(section.group, section.topic) == {}


async def test_kafka_keeps_from_the_append_on_and_what_has_gone_unread_stops_the_reader(section):
    section = msgspec.structs.replace(section, retention_hours=1, append_timeout_s=10.0)
    async with kafka_ports(section, ManualClock()) as log:  # its year is long over
        log.reader.pause(frozenset(range(4)))
        receipt = await log.writer.append(b"viewer", [b"nobody has committed this"])

        async def gone() -> bool:
            marks = await log.admin.watermarks(section.topic)
            return marks[receipt.partition].low > receipt.offset

        await until_true(gone, "the broker drops what is older than the retention")
        # An answer that was on its way is let go while the partition is held back.
        assert not await log.reader.reader.poll(max_records=1, timeout_s=0.5)
        log.reader.resume(frozenset(range(4)))
        with pytest.raises(OffsetOutOfRangeError, match="records between were removed"):
            await poll_on(log.reader.reader)
