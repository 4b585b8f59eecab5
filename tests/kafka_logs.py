"""The log in a real Kafka, through all of its ports, as the contract's tests want it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count

import msgspec
import pytest
from harness.kafka import absent

from tests.requirements import lacking
from ugc_core.adapters.kafka_admin import KafkaLogAdmin
from ugc_core.adapters.kafka_operator import KafkaLogOperator
from ugc_core.adapters.kafka_reader import KafkaLogReader
from ugc_core.adapters.kafka_scanner import KafkaLogScanner
from ugc_core.adapters.kafka_writer import KafkaLogWriter
from ugc_core.bootstrap import topics
from ugc_core.clock import Clock
from ugc_core.log import Record, Topic, TopicChange
from ugc_core.settings import KafkaSection, LogSection
from ugc_core.urls import KafkaLogTarget, log_target

DEADLINE_S = 30.0
_numbers = count(1)

QUICK = KafkaSection(
    replication=1,
    min_insync_replicas=1,
    linger_ms=0.0,
    session_timeout_s=2.0,
    metadata_max_age_s=0.2,
)
"""One broker, and nobody who waits for long."""


def require_kafka() -> None:
    """Skip without Kafka, or fail where `UGC_REQUIRE` names it."""
    if why := absent():
        lacking("kafka", f"no Kafka here: {why}")


def kafka_section(url: str, **changes: object) -> LogSection:
    """Return settings for a topic and a group that nobody else has."""
    number = next(_numbers)
    names = {"topic": f"views-{number}", "group": f"group-{number}"}
    section = LogSection(url=url, kafka=QUICK, append_timeout_s=10.0)
    return msgspec.structs.replace(section, **names | changes)


def kafka_target(section: LogSection) -> KafkaLogTarget:
    """Return the brokers of the settings' URL."""
    target = log_target(section.url)
    assert isinstance(target, KafkaLogTarget)
    return target


async def until_true(condition, what: str) -> None:
    """Wait for a condition, which may be a coroutine function; fail when its time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        if loop.time() > deadline:
            pytest.fail(f"not within {DEADLINE_S:g} s: {what}")
        await asyncio.sleep(0.02)


async def poll_on(reader: KafkaLogReader) -> None:
    """Poll until an error ends it."""
    for _ in range(1000):
        await reader.poll(max_records=1, timeout_s=0.1)


class PatientReader:
    """A reader whose empty answer means that everything was read.

    A broker's answers take a moment; the contract asks what is there.

    Attributes:
        reader: The reader itself.
    """

    def __init__(self, reader: KafkaLogReader, admin: KafkaLogAdmin, topic: str) -> None:
        self.reader = reader
        self._admin = admin
        self._topic = topic
        self._paused: frozenset[int] = frozenset()
        self.assigned = reader.assigned
        self.seek = reader.seek
        self.commit = reader.commit
        self.committed = reader.committed

    async def poll(self, *, max_records: int, timeout_s: float) -> Mapping[int, Sequence[Record]]:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        deadline = max(until, loop.time() + DEADLINE_S)
        while loop.time() < deadline:
            wait_s = max(until - loop.time(), 0.02)
            found = await self.reader.poll(max_records=max_records, timeout_s=min(wait_s, 5))
            if found or (loop.time() >= until and await self._has_all()):
                return found
        pytest.fail("the reader does not come to the end of the log")

    def pause(self, partitions: frozenset[int]) -> None:
        self._paused |= partitions
        self.reader.pause(partitions)

    def resume(self, partitions: frozenset[int]) -> None:
        self._paused -= partitions
        self.reader.resume(partitions)

    async def joined(self) -> None:
        """Wait until the group has given us every partition, without reading any."""
        everything = frozenset(range(1024))
        self.reader.pause(everything)
        while not await self._has_joined():
            await self.reader.poll(max_records=1, timeout_s=0)
        self.reader.resume(everything)

    async def _has_joined(self) -> bool:
        there = await self._admin.watermarks(self._topic)
        return self.reader.assigned() == there.keys()

    async def _has_all(self) -> bool:
        there = await self._admin.watermarks(self._topic)
        at = self.reader.positions
        return self.reader.assigned() == there.keys() and all(
            partition in self._paused or at[partition] >= marks.high
            for partition, marks in there.items()
        )


class SettledAdmin(KafkaLogAdmin):
    """An admin whose changes the writer knows of once `apply` has returned."""

    writer: KafkaLogWriter | None = None

    async def apply(self, changes: Sequence[TopicChange]) -> None:
        await super().apply(changes)
        for change in changes:
            if self.writer is not None and change.topic.name == self._settings.topic:
                await self._learned(change.topic)

    async def _learned(self, topic: Topic) -> None:
        def known() -> bool:
            assert self.writer
            self.writer.refresh()
            return self.writer.partitions == topic.partitions

        await until_true(known, "the writer knows of new partitions")


class KafkaPorts(msgspec.Struct):
    """What one opening of the log consists of."""

    writer: KafkaLogWriter
    reader: PatientReader
    admin: SettledAdmin
    scanner: KafkaLogScanner
    operator: KafkaLogOperator


@asynccontextmanager
async def kafka_ports(section: LogSection, clock: Clock) -> AsyncIterator[KafkaPorts]:
    """Open every port; the reader has its partitions."""
    target = kafka_target(section)
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(SettledAdmin.open(target, section))
        await admin.apply(await admin.plan(topics(section)))
        writer = await stack.enter_async_context(
            KafkaLogWriter.open(target, section.topic, section, clock=clock)
        )
        admin.writer = writer
        reader = await stack.enter_async_context(
            KafkaLogReader.open(target, section.topic, section.group, section)
        )
        patient = PatientReader(reader, admin, section.topic)
        await patient.joined()
        scanner = await stack.enter_async_context(KafkaLogScanner.open(target, section))
        operator = await stack.enter_async_context(KafkaLogOperator.open(target, section))
        yield KafkaPorts(writer, patient, admin, scanner, operator)
