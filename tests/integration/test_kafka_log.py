"""What only a Kafka does: it refuses batches, holds other people's records, and drifts."""

import asyncio
import os
import random

import msgspec
import psutil
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.kafka_logs import kafka_ports, kafka_section, kafka_target, until_true
from ugc_core.bootstrap import open_log_admin, open_log_consumer, open_log_writer, topics
from ugc_core.clock import SystemClock
from ugc_core.errors import ConfigError, LogUnavailableError, RecordTooLargeError
from ugc_core.log import ChangeKind, Record

CLOCK = SystemClock()


@pytest.fixture
def section(kafka):
    return kafka_section(kafka.url)


def servers(section) -> list[str]:
    return list(kafka_target(section).servers)


# --- the writer


async def test_many_appends_at_once_share_a_few_records(section):
    section = msgspec.structs.replace(section, partitions=1)
    async with kafka_ports(section, CLOCK) as log:
        calls = [(b"user-%d" % (n % 50), [b"%d" % n]) for n in range(2000)]
        receipts = await asyncio.gather(*(log.writer.append(*call) for call in calls))
        marks = await log.admin.watermarks(section.topic)

    assert len({(r.offset, r.line) for r in receipts}) == 2000
    assert marks[0].high <= 2000 // section.pack_lines + 4


async def test_company_enough_does_not_wait_for_more(section):
    kafka = msgspec.structs.replace(section.kafka, linger_ms=3_600_000.0)
    section = msgspec.structs.replace(section, kafka=kafka)
    async with kafka_ports(section, CLOCK) as log:
        calls = [log.writer.append(b"user-%d" % n, [b"%d" % n]) for n in range(64)]
        receipts = await asyncio.gather(*calls)

    assert len({(r.partition, r.offset, r.line) for r in receipts}) == 64


async def test_after_a_batch_out_of_order_a_new_producer_takes_over(section):
    async with kafka_ports(section, CLOCK) as log:
        receipt = await log.writer.append(b"viewer", [b"before"])
        # Numbers that the broker never saw, as after a batch that was lost on its way.
        broken = log.writer._producer._current
        assert broken
        place = TopicPartition(section.topic, receipt.partition)
        broken._txn_manager.increment_sequence_number(place, 7)

        with pytest.raises(LogUnavailableError, match="OutOfOrderSequenceNumber"):
            await log.writer.append(b"viewer", [b"refused"])
        again = await log.writer.append(b"viewer", [b"again"])
        [records] = (await records_of(log)).values()

    assert again.offset == receipt.offset + 1
    assert [record.value for record in records] == [b"before", b"again"]


async def records_of(log) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = {}
    while polled := await log.reader.poll(max_records=1000, timeout_s=0):
        for partition, records in polled.items():
            found.setdefault(partition, []).extend(records)
    return found


async def test_appends_that_come_while_the_producer_is_replaced_are_kept(section):
    async with kafka_ports(section, CLOCK) as log:
        await log.writer.append(b"viewer", [b"before"])
        log.writer._producer.replace("a test")

        receipts = await asyncio.gather(
            *(log.writer.append(b"viewer", [b"%d" % n]) for n in range(5))
        )

    assert [receipt.line for receipt in receipts] == [0, 1, 2, 3, 4]


async def test_a_record_may_be_as_large_as_the_topic_allows_and_no_larger(section):
    noise = random.Random(7).randbytes(1_030_000).replace(b"\n", b"-")
    async with kafka_ports(section, CLOCK) as log:
        kept = await log.writer.append(b"viewer", [noise])
        small = await log.writer.append(b"viewer", [b"small"])
        with pytest.raises(RecordTooLargeError, match="more than a record"):
            await log.writer.append(b"viewer", [noise, noise])
        [records] = (await records_of(log)).values()
        found = await log.scanner.scan(
            section.topic, kept.partition, kept.offset, small.offset + 1, max_records=9
        )

    assert [record.value for record in records] == [noise, b"small"]
    assert found == records


async def test_a_dead_letter_may_quote_the_largest_record(section):
    letter = random.Random(7).randbytes(3_000_000).replace(b"\n", b"-")
    async with open_log_admin(section) as admin:
        await admin.apply(await admin.plan(topics(section)))
    async with open_log_writer(section, section.dlq_topic, clock=CLOCK) as writer:
        await writer.append(b"key", [letter])
        await writer.append(b"key", [b"small"])
    dlq = msgspec.structs.replace(section, topic=section.dlq_topic)
    sizes: list[int] = []
    async with open_log_consumer(dlq, clock=CLOCK) as reader:
        while len(sizes) < 2:
            polled = await reader.poll(max_records=9, timeout_s=1)
            sizes += [len(record.value) for found in polled.values() for record in found]

    assert sizes == [3_000_000, 5]


@pytest.mark.parametrize("compression", ["none", "lz4", "zstd"])
async def test_records_are_compressed_as_the_setting_says(section, compression):
    kafka = msgspec.structs.replace(section.kafka, compression=compression)
    section = msgspec.structs.replace(section, kafka=kafka)
    async with kafka_ports(section, CLOCK) as log:
        await log.writer.append(b"viewer", [b"x" * 10_000])
        [[record]] = (await records_of(log)).values()

    assert record.value == b"x" * 10_000


# --- what others write


async def test_other_peoples_records_are_handed_out_as_they_are(section):
    async with kafka_ports(section, CLOCK) as log:
        producer = AIOKafkaProducer(bootstrap_servers=servers(section))
        await producer.start()
        try:
            await producer.send_and_wait(section.topic, b"no key", partition=0)
            await producer.send_and_wait(section.topic, None, key=b"a tombstone", partition=0)
            odd = [("odd", b"\xff"), ("none", None)]
            await producer.send_and_wait(section.topic, b"odd", partition=0, headers=odd)
        finally:
            await producer.stop()
        [records] = (await records_of(log)).values()

    assert [(r.key, r.value) for r in records] == [
        (None, b"no key"),
        (b"a tombstone", b""),
        (None, b"odd"),
    ]
    assert records[2].headers == (("odd", b"\xff"), ("none", b""))


# --- topics


async def test_settings_that_drifted_are_shown_and_mended_and_others_are_left_alone(section):
    async with kafka_ports(section, CLOCK) as log:
        drifted = {"min.insync.replicas": "2", "cleanup.policy": "compact"}
        await configure(section, drifted | {"retention.ms": str(section.retention_ms)})

        async def known() -> bool:  # a broker learns of it in its own time
            return bool(await log.admin.plan(topics(section)[:1]))

        await until_true(known, "the drift shows")
        [change] = await log.admin.plan(topics(section)[:1])
        await log.admin.apply([change])

        assert change.kind is ChangeKind.CONFIGURE
        assert "min.insync.replicas=1 (is 2)" in change.summary
        assert "cleanup.policy=delete (is compact)" in change.summary
        assert await log.admin.plan(topics(section)[:1]) == []
    assert (await configs(section))["segment.jitter.ms"] == "77"


async def configure(section, changes: dict[str, str]) -> None:
    """Set a topic's settings, and one that is an operator's own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers(section))
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, section.topic)
        resource.configs = {**changes, "segment.jitter.ms": "77"}
        await admin.alter_configs([resource])
    finally:
        await admin.close()


async def configs(section) -> dict[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers(section))
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, section.topic)
        [answer] = await admin.describe_configs([resource])
    finally:
        await admin.close()
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def test_fewer_brokers_than_copies_names_the_settings(section):
    three = msgspec.structs.replace(section.kafka, replication=3, min_insync_replicas=2)
    section = msgspec.structs.replace(section, kafka=three)

    async with open_log_admin(section) as admin:
        plan = await admin.plan(topics(section))
        with pytest.raises(ConfigError, match=r"fewer brokers .* UGC_LOG__KAFKA__REPLICATION=1"):
            await admin.apply(plan)

    assert plan[0].summary == f"create topic {section.topic}, 4 partitions, 3 copies, 2 in sync"


async def test_a_topic_with_fewer_copies_than_it_should_have_is_refused_with_the_way_out(section):
    async with kafka_ports(section, CLOCK):
        pass
    two = msgspec.structs.replace(section.kafka, replication=2)
    section = msgspec.structs.replace(section, kafka=two)

    async with open_log_admin(section) as admin:
        with pytest.raises(ConfigError, match=r"1 copies.*kafka-reassign-partitions"):
            await admin.plan(topics(section))


async def test_copies_that_could_never_be_in_sync_are_refused(section):
    never = msgspec.structs.replace(section.kafka, min_insync_replicas=2)
    section = msgspec.structs.replace(section, kafka=never)

    async with open_log_admin(section) as admin:
        with pytest.raises(ConfigError, match="nothing could be written"):
            await admin.plan(topics(section))


async def test_without_its_topic_nothing_opens_and_the_command_is_named(section):
    with pytest.raises(LogUnavailableError, match="does not exist; run `ugc init`"):
        async with open_log_writer(section, section.topic, clock=CLOCK):
            pass
    with pytest.raises(LogUnavailableError, match="does not exist; run `ugc init`"):
        async with open_log_consumer(section, clock=CLOCK):
            pass


async def test_opening_and_closing_leaves_no_connection_and_no_task(section):
    async with kafka_ports(section, CLOCK):
        pass
    before = psutil.Process(os.getpid()).num_fds()

    for _ in range(3):
        async with kafka_ports(section, CLOCK) as log:
            await log.writer.append(b"viewer", [b"a"])
            log.writer._producer.replace("a test")
            log.reader.reader._consumer.throw_away("a test")

    await until_true(lambda: len(asyncio.all_tasks()) == 1, "every task has ended")
    await until_true(
        lambda: psutil.Process(os.getpid()).num_fds() <= before, "every connection is closed"
    )
