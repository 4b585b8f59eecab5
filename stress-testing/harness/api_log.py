"""What is in a topic of Kafka's that was not there before: to hold it against the answers 202."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from msgspec import Struct

from ugc_core.bootstrap import open_log_admin
from ugc_core.settings import LogSection

READ_S = 120.0
_CALM_S = 1.0
"""Longer than the broker or this machine usually stalls."""


class _Identified(Struct):
    event_id: UUID


_decode_lines = msgspec.json.Decoder(_Identified).decode_lines


async def ends(log: LogSection) -> dict[int, int]:
    """Return where each partition of the topic ends, once nothing is added any more.

    Requests whose sender has hung up may still be on their way into the log.

    Raises:
        TimeoutError: Something goes on adding.
    """
    async with asyncio.timeout(READ_S), open_log_admin(log) as admin:
        found: dict[int, int] = {}
        while True:
            now = {p: mark.high for p, mark in (await admin.watermarks(log.topic)).items()}
            if now == found:
                return now
            found = now
            await asyncio.sleep(_CALM_S)


async def line_count(log: LogSection, before: Mapping[int, int], after: Mapping[int, int]) -> int:
    """Return how many reports the topic has between two looks at its ends.

    A record's header says how many it holds; the baselines' records have none and hold one.
    """
    return sum([_lines(record) async for record in _records(log, before, after)])


async def event_ids(
    log: LogSection, before: Mapping[int, int], after: Mapping[int, int]
) -> set[UUID]:
    """Return the ids of the reports that the topic has between two looks at its ends."""
    return {
        line.event_id
        async for record in _records(log, before, after)
        for line in _decode_lines(record.value)
    }


async def _records(
    log: LogSection, before: Mapping[int, int], after: Mapping[int, int]
) -> AsyncIterator[ConsumerRecord]:
    todo = {TopicPartition(log.topic, p): end for p, end in after.items() if before[p] < end}
    if not todo:
        return
    consumer = AIOKafkaConsumer(bootstrap_servers=log.url.removeprefix("kafka://"))
    async with asyncio.timeout(READ_S), consumer:
        consumer.assign(list(todo))
        for partition in todo:
            consumer.seek(partition, before[partition.partition])
        while todo:
            for partition, some in (await consumer.getmany(timeout_ms=200)).items():
                for record in (one for one in some if one.offset < after[partition.partition]):
                    yield record
            todo = {p: end for p, end in todo.items() if await consumer.position(p) < end}


def _lines(record: ConsumerRecord) -> int:
    return next((int(value) for name, value in record.headers if name == "lines"), 1)
