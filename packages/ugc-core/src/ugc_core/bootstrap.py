"""Which adapter stands behind each port; the type of the target decides.

Heavy libraries are imported in the branch that needs them, so that an embedded start does
not pay for a Kafka client and the other way round.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol, assert_never

from ugc_core.clock import Clock, SystemClock
from ugc_core.log import (
    LogAdmin,
    LogCommitter,
    LogReader,
    LogScanner,
    LogScrubber,
    LogWriter,
    Topic,
)
from ugc_core.log_operator import LogOperator
from ugc_core.settings import LogSection, WarehouseSection
from ugc_core.urls import KafkaLogTarget, SqliteLogTarget, log_target, warehouse_target
from ugc_core.warehouse import ShardedWarehouse

_MAX_LETTER_BYTES = 8_388_608


class LogConsumer(LogReader, LogCommitter, Protocol):
    """A member of a consumer group: what reads also commits."""


def topics(settings: LogSection) -> list[Topic]:
    """Return the topics that the product uses: the reports, and their dead letters."""
    return [
        Topic(
            name=settings.topic,
            partitions=settings.partitions,
            retention_ms=settings.retention_ms,
        ),
        Topic(
            name=settings.dlq_topic,
            partitions=1,
            retention_ms=settings.retention_ms,
            # A letter quotes a record of others, which may be as large as a record can be.
            max_record_bytes=_MAX_LETTER_BYTES,
        ),
    ]


@asynccontextmanager
async def open_log_writer(
    settings: LogSection, topic: str, *, clock: Clock, check: bool = False
) -> AsyncIterator[LogWriter]:
    """Open the log to append to one topic.

    Args:
        settings: The log's section.
        topic: The topic.
        clock: Time, for the records.
        check: Whether to look for damage first, where the adapter can.
    """
    match log_target(settings.url):
        case SqliteLogTarget(path=path):
            from ugc_core.adapters.sqlite_log_writer import SqliteLogWriter

            async with SqliteLogWriter.open(
                path, topic, settings, clock=clock, check=check
            ) as writer:
                yield writer
        case KafkaLogTarget() as target:
            from ugc_core.adapters.kafka_writer import KafkaLogWriter

            known = {found.name: found.max_record_bytes for found in topics(settings)}
            async with KafkaLogWriter.open(
                target, topic, settings, clock=clock, max_record_bytes=known.get(topic, 1_048_576)
            ) as kafka_writer:
                yield kafka_writer
        case other:
            assert_never(other)


@asynccontextmanager
async def open_log_consumer(settings: LogSection, *, clock: Clock) -> AsyncIterator[LogConsumer]:
    """Open the log as a member of the consumer group that the settings name."""
    match log_target(settings.url):
        case SqliteLogTarget(path=path):
            from ugc_core.adapters.sqlite_log_reader import SqliteLogReader

            async with SqliteLogReader.open(
                path, settings.topic, settings.group, settings, clock=clock
            ) as reader:
                yield reader
        case KafkaLogTarget() as target:
            from ugc_core.adapters.kafka_reader import KafkaLogReader

            async with KafkaLogReader.open(
                target, settings.topic, settings.group, settings
            ) as kafka_reader:
                yield kafka_reader
        case other:
            assert_never(other)


@asynccontextmanager
async def open_log_admin(settings: LogSection) -> AsyncIterator[LogAdmin]:
    """Open the log to look after its topics."""
    match log_target(settings.url):
        case SqliteLogTarget(path=path):
            from ugc_core.adapters.sqlite_log_admin import SqliteLogAdmin

            async with SqliteLogAdmin.open(path, settings) as admin:
                yield admin
        case KafkaLogTarget() as target:
            from ugc_core.adapters.kafka_admin import KafkaLogAdmin

            async with KafkaLogAdmin.open(target, settings) as kafka_admin:
                yield kafka_admin
        case other:
            assert_never(other)


@asynccontextmanager
async def open_log_operator(settings: LogSection) -> AsyncIterator[LogOperator]:
    """Open the log to see who reads it, what keeps it, and to move groups."""
    match log_target(settings.url):
        case SqliteLogTarget(path=path):
            from ugc_core.adapters.sqlite_log_operator import SqliteLogOperator

            async with SqliteLogOperator.open(path, settings) as operator:
                yield operator
        case KafkaLogTarget() as target:
            from ugc_core.adapters.kafka_operator import KafkaLogOperator

            async with KafkaLogOperator.open(target, settings) as kafka_operator:
                yield kafka_operator
        case other:
            assert_never(other)


@asynccontextmanager
async def open_log_scanner(settings: LogSection) -> AsyncIterator[LogScanner]:
    """Open the log to read any part of it again."""
    match log_target(settings.url):
        case SqliteLogTarget(path=path):
            from ugc_core.adapters.sqlite_log_scanner import SqliteLogScanner

            async with SqliteLogScanner.open(path, settings) as scanner:
                yield scanner
        case KafkaLogTarget() as target:
            from ugc_core.adapters.kafka_scanner import KafkaLogScanner

            async with KafkaLogScanner.open(target, settings) as kafka_scanner:
                yield kafka_scanner
        case other:
            assert_never(other)


@asynccontextmanager
async def open_log_scrubber(settings: LogSection) -> AsyncIterator[LogScrubber | None]:
    """Open the log to take lines out of it; None where that cannot be done."""
    match log_target(settings.url):
        case SqliteLogTarget(path=path):
            from ugc_core.adapters.sqlite_log_scrubber import SqliteLogScrubber

            async with SqliteLogScrubber.open(path, settings) as scrubber:
                yield scrubber
        case KafkaLogTarget():
            yield None
        case other:
            assert_never(other)


@asynccontextmanager
async def open_warehouse(
    settings: WarehouseSection, *, database: str | None = None
) -> AsyncIterator[ShardedWarehouse]:
    """Open the warehouse; nothing is connected before the first call.

    Args:
        settings: The warehouse's section.
        database: Another current database, where our own may not exist yet.
    """
    target = warehouse_target(settings.url)
    if target.cluster is None:
        from ugc_core.adapters.asynch_warehouse import AsynchWarehouse

        async with AsynchWarehouse.open(target, settings, database=database) as single:
            yield single
    else:
        from ugc_core.adapters.cluster_warehouse import ClusterWarehouse

        async with ClusterWarehouse.open(
            target, settings, clock=SystemClock(), database=database
        ) as cluster:
            yield cluster
