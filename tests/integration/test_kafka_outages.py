"""A broker that dies, hangs or forgets: every wait ends, and all goes on when it is back."""

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import suppress

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
RESTARTED_SOON = {
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "250",
}
"""One that was killed may come back only once it is missed."""


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    require_kafka()
    settings = QUICK_TO_FORGET | RESTARTED_SOON
    with running(tmp_path_factory.mktemp("mortal"), settings=settings) as brokers:
        yield brokers


@pytest.fixture
def section(mortal: Brokers):
    mortal.mend()
    section = kafka_section(mortal.url, append_timeout_s=0.5, call_timeout_s=2.0)
    kafka = msgspec.structs.replace(section.kafka, session_timeout_s=5.0, stuck_after_s=1.0)
    return msgspec.structs.replace(section, kafka=kafka)


async def appended(log, line: bytes) -> bool:
    try:
        await log.writer.append(b"viewer", [line])
    except LogUnavailableError:
        return False
    return True


async def take(log, found: list[bytes]) -> None:
    records = await log.reader.reader.poll(max_records=100, timeout_s=0.2)
    found += [record.value for some in records.values() for record in some]


async def have_all(log, found: list[bytes], *values: bytes) -> None:
    """Poll until these have come; that a poll fails meanwhile is all right."""

    async def enough() -> bool:
        with suppress(LogUnavailableError):
            await take(log, found)
        return set(values) <= set(found)

    await until_true(enough, "the reader reads on")


async def begun(log) -> list[bytes]:
    """Append a line, read it and commit; whoever reads on must not find it again."""
    await log.writer.append(b"viewer", [b"before"])
    found: list[bytes] = []
    await have_all(log, found, b"before")
    positions = log.reader.reader.positions
    await log.reader.commit({p: Commit(offset=at) for p, at in positions.items()})
    return found


async def test_while_the_broker_is_down_every_call_ends_and_afterwards_all_goes_on(section, mortal):
    handles = psutil.Process(os.getpid()).num_fds
    async with kafka_ports(section, CLOCK) as log:
        found = await begun(log)
        before = handles()
        mortal[1].kill()

        async def poll_in_vain() -> None:
            for _ in range(1000):
                await take(log, found)

        async def append_in_vain() -> None:
            for _ in range(5):  # long enough that the producer is thrown away meanwhile
                with pytest.raises(LogUnavailableError, match=r"within 0\.5 s"):
                    await log.writer.append(b"viewer", [b"lost"])

        ended = await asyncio.gather(
            log.reader.commit({0: Commit(offset=0)}),
            log.reader.committed(frozenset({0})),
            log.admin.watermarks(section.topic),
            log.scanner.scan(section.topic, 0, 0, 1, max_records=1),
            poll_in_vain(),
            append_in_vain(),
            return_exceptions=True,
        )
        for error in ended[:4]:
            assert isinstance(error, LogUnavailableError)
            assert re.search(r"within 2 s|cannot reach", str(error))
        assert isinstance(ended[4], LogUnavailableError)
        assert ended[5] is None
        assert handles() <= before + 3

        mortal.restart(1)
        await until_true(lambda: appended(log, b"after"), "appends work again")
        await have_all(log, found, b"after")
        await log.reader.commit({p: Commit(offset=0) for p in log.reader.assigned()})

    assert found.count(b"before") == 1


async def test_a_broker_that_hangs_fails_appends_in_time_and_is_used_again(section, mortal):
    async with kafka_ports(section, CLOCK) as log:
        found = await begun(log)
        mortal[1].hang()
        try:
            appended_not, told_not = await asyncio.gather(
                log.writer.append(b"viewer", [b"unknown"]),
                log.admin.watermarks(section.topic),
                return_exceptions=True,
            )
        finally:
            mortal[1].wake()

        await until_true(lambda: appended(log, b"after"), "appends work again")
        await have_all(log, found, b"after")

    assert found.count(b"before") == 1
    assert isinstance(appended_not, LogUnavailableError)
    assert "within 0.5 s" in str(appended_not)
    assert isinstance(told_not, LogUnavailableError)
    assert "within 2 s" in str(told_not)


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
                assert [one for one in ended if not isinstance(one, LogUnavailableError)] == []
            waiting = sum(map(len, log.writer._waiting.values()))
        finally:
            mortal[1].wake()
        await until_true(lambda: appended(log, b"after"), "appends work again")

    assert waiting <= 10


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
        with pytest.raises(OffsetOutOfRangeError, match="records between were removed"):
            await poll_after_a_while(log.reader.reader)


async def poll_after_a_while(reader) -> None:
    """Let go what was on its way while partitions are held back, then read on.

    If what was on its way is an error, it may as well be told at once.
    """
    assert not await reader.poll(max_records=1, timeout_s=0.5)
    reader.resume(frozenset(range(4)))
    await poll_on(reader)


# The last one: whoever comes next waits until the broker is back.
async def test_closing_while_the_broker_is_down_ends_in_time(section, mortal):
    async with kafka_ports(section, CLOCK) as log:
        await log.writer.append(b"viewer", [b"a"])
        mortal[1].kill()
        with pytest.raises(LogUnavailableError):
            await log.writer.append(b"viewer", [b"b"])

    await until_true(lambda: len(asyncio.all_tasks()) == 1, "every task has ended")
