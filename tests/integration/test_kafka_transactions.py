"""Other producers' transactions in our topic: what they gave up never becomes a report.

Their marks and their aborted records occupy offsets. A gap in the offsets is therefore no loss,
also where the log or the ledger ends with one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import msgspec
import pytest
from chaos.cluster import cut_off, forget_group
from structlog.testing import capture_logs

from tests.integration.other_producers import others
from tests.integration.verified_system import System
from tests.kafka_logs import KafkaPorts, kafka_ports, kafka_section, until_true
from ugc_cli.state import Looking
from ugc_core.adapters.kafka_reader import KafkaLogReader
from ugc_core.bootstrap import open_log_admin, open_warehouse, topics
from ugc_core.clock import SystemClock
from ugc_core.codec import encode_event
from ugc_core.errors import LogUnavailableError, OffsetOutOfRangeError
from ugc_core.log import Commit, Record
from ugc_core.settings import EtlSection, Settings

CLOCK = SystemClock()


@pytest.fixture
def section(kafka):
    section = kafka_section(kafka.url, partitions=1)
    patient = msgspec.structs.replace(section.kafka, stuck_after_s=0.3)
    return msgspec.structs.replace(section, call_timeout_s=5.0, kafka=patient)


async def ends_at(log, high: int) -> None:
    """Wait for the last mark: a broker writes it in its own time."""

    async def marked() -> bool:
        marks = await log.admin.watermarks(log.writer._topic)
        return bool(marks[0].high == high)

    await until_true(marked, f"the log ends at {high}")


async def polled(reader: KafkaLogReader, number: int) -> list[Record]:
    """Poll until so many records have come."""
    found: list[Record] = []

    async def enough() -> bool:
        records = await reader.poll(max_records=100, timeout_s=0.1)
        found.extend(record for some in records.values() for record in some)
        return len(found) >= number

    await until_true(enough, f"{number} records have come")
    return found


# --- reading


async def test_aborted_records_and_marks_are_handed_out_by_nobody(section):
    async with kafka_ports(section, CLOCK) as log, others(section) as them:
        await them.commit(b"a", b"b")
        await them.abort(b"never", b"happened")
        await ends_at(log, 6)
        await log.writer.append(b"viewer", [b"ours"])
        await them.commit(b"c")
        await ends_at(log, 9)
        records = await polled(log.reader.reader, 4)
        scanned = await log.scanner.scan(section.topic, 0, 0, 9, max_records=9)
        amid_aborted = await log.scanner.scan(section.topic, 0, 4, 9, max_records=9)
        aborted = await log.scanner.scan(section.topic, 0, 3, 6, max_records=9)
        mark = await log.scanner.scan(section.topic, 0, 8, 9, max_records=9)

    values = [(record.offset, record.value) for record in records]
    assert values == [(0, b"a"), (1, b"b"), (6, b"ours"), (7, b"c")]
    assert scanned == records
    assert amid_aborted == records[2:]
    assert aborted == []
    assert mark == []


async def test_an_open_transaction_holds_up_what_follows_and_is_no_stuck_client(section):
    async with kafka_ports(section, CLOCK) as log, others(section) as them:
        inner = log.reader.reader
        client = inner._consumer._current
        await them.producer.begin_transaction()
        await them.write(b"a")
        await log.writer.append(b"viewer", [b"ours"])

        held_up: list[object] = []

        async def told() -> bool:
            held_up.append(await inner.poll(max_records=9, timeout_s=0.1))
            return any(one["event"] == "kafka_transaction_open" for one in said)

        with capture_logs() as said:
            await until_true(told, "it is said what holds the reader up")
        marks = (await log.admin.watermarks(section.topic))[0]
        with pytest.raises(LogUnavailableError, match=r"\[0\]: .* transaction"):
            await log.scanner.scan(section.topic, 0, 0, marks.high, max_records=9)
        same = inner._consumer._current is client
        await them.producer.commit_transaction()
        records = await polled(inner, 2)
        scanned = await log.scanner.scan(section.topic, 0, 0, marks.high, max_records=9)

    assert not any(held_up)
    assert {one["event"] for one in said} == {"kafka_transaction_open"}
    assert same
    assert marks.high == 2
    assert [record.value for record in records] == [b"a", b"ours"]
    assert scanned == records


async def test_status_says_what_an_open_transaction_holds_up(section):
    async with kafka_ports(section, CLOCK) as log, others(section) as them:
        await log.writer.append(b"viewer", [b"ours"])
        looking = Looking(settings=Settings(log=section), api="", clock=CLOCK)
        async with them.producer.transaction():
            await them.write(b"theirs")
            await ends_at(log, 2)
            await log.reader.reader.commit({0: Commit(offset=1)})
            [lag] = await looking.lags()

    assert (lag.lag, lag.oldest_s) == (1, None)
    assert lag.held_up is not None
    assert "a transaction of another producer" in lag.held_up


# --- positions


async def committed(log: KafkaPorts, section) -> Commit | None:
    """Poll once, and return what the group has committed."""
    assert not await log.reader.reader.poll(max_records=9, timeout_s=0.05)
    return (await log.admin.committed_by(section.group, section.topic)).get(0)


async def test_a_commit_moves_on_over_what_is_no_record_and_keeps_its_note(section):
    async with kafka_ports(section, CLOCK) as log, others(section) as them:
        reader = log.reader.reader
        await them.commit(b"a")
        await ends_at(log, 2)
        await polled(reader, 1)
        await reader.commit({0: Commit(offset=1, metadata="a note")})

        async def moved_to(offset: int) -> bool:
            return await committed(log, section) == Commit(offset=offset, metadata="a note")

        await until_true(lambda: moved_to(2), "the commit is past the mark")
        await them.abort(b"never")
        await until_true(lambda: moved_to(4), "the commit is past what was aborted")


async def test_a_commit_never_moves_on_over_records_nor_where_there_was_none(section):
    async with kafka_ports(section, CLOCK) as log, others(section) as them:
        reader = log.reader.reader
        await them.abort(b"never")
        await ends_at(log, 2)
        await until_true(lambda: stands_at(reader, 2), "the reader is past what was aborted")
        before = await committed(log, section)
        await log.writer.append(b"viewer", [b"ours"])
        await them.abort(b"never")
        await ends_at(log, 5)
        await polled(reader, 1)
        await reader.commit({0: Commit(offset=2)})
        await until_true(lambda: stands_at(reader, 5), "the reader is past what was aborted")
        after = await committed(log, section)

    assert before is None
    assert after == Commit(offset=2)


async def stands_at(reader: KafkaLogReader, offset: int) -> bool:
    await reader.poll(max_records=9, timeout_s=0.05)
    return await reader._consumer.position(0) == offset


async def test_marks_that_retention_takes_are_no_loss(section):
    async with kafka_ports(section, CLOCK) as log, others(section) as them:
        reader = log.reader.reader
        await them.commit(b"a")
        await polled(reader, 1)
        await reader.commit({0: Commit(offset=1)})
        await them.abort(b"never")
        await ends_at(log, 4)

        async def moved() -> bool:
            return await committed(log, section) == Commit(offset=4)

        await until_true(moved, "the commit is past what was aborted")
        await cut_off(section, {0: 4})

    async with kafka_ports(section, CLOCK) as log:
        await log.writer.append(b"viewer", [b"ours"])
        [record] = await polled(log.reader.reader, 1)

    assert (record.offset, record.value) == (4, b"ours")


# --- the pipeline


@asynccontextmanager
async def open_system(section, fresh_database) -> AsyncIterator[System]:
    settings = Settings(log=section, warehouse=fresh_database, etl=EtlSection(max_age_s=0.01))
    async with open_log_admin(section) as admin, open_warehouse(fresh_database) as warehouse:
        await admin.apply(await admin.plan(topics(section)))
        yield System(settings=settings, warehouse=warehouse)


async def stored(system: System) -> set[UUID]:
    """Return the reports that analysts see."""
    answer = await system.warehouse.read("SELECT event_id FROM views")
    return {UUID(str(row[0])) for row in answer.rows}


def values(*events) -> list[bytes]:
    return [encode_event(event) for event in events]


async def test_of_others_reports_the_committed_ones_are_stored_and_nothing_is_missed(
    section, fresh_database, make_event
):
    kept, given_up, ours = (
        [make_event(user=n) for n in range(3)],
        make_event(),
        make_event(),
    )
    async with open_system(section, fresh_database) as system, others(section) as them:
        await them.commit(*values(*kept[:2]))
        await them.abort(*values(given_up))
        await system.append(ours)
        await them.commit(*values(kept[2]))
        await them.abort(*values(given_up))
        await system.ingest()
        found = await system.verify()
        ids = await stored(system)

    assert ids == {event.event_id for event in (*kept, ours)}
    assert found.good
    assert found.findings == []
    assert found.waiting == 0


async def test_a_group_without_a_position_goes_on_where_the_ledger_ends_with_marks(
    section, fresh_database, make_event
):
    first, second = make_event(), make_event()
    async with open_system(section, fresh_database) as system, others(section) as them:
        await them.commit(*values(first))
        await system.ingest()
        await them.abort(*values(make_event()))
        await forget_group(section)
        await cut_off(section, {0: 1})  # what is ingested, and nothing else
        await them.commit(*values(second))
        await system.ingest()
        found = await system.verify()
        ids = await stored(system)

    assert ids == {first.event_id, second.event_id}
    assert [finding for finding in found.findings if finding.fault] == []


async def test_a_group_without_a_position_stops_where_the_log_begins_after_the_ledger(
    section, fresh_database, make_event
):
    async with open_system(section, fresh_database) as system:
        await system.append(make_event())
        await system.ingest()
        await system.append(make_event())
        await forget_group(section)
        await cut_off(section, {0: 2})
        await system.append(make_event())
        with pytest.raises(
            OffsetOutOfRangeError, match="ledger ends at 1, and the log starts at 2"
        ):
            await system.ingest()
