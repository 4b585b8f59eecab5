"""Producers that are none of ours, and write to our topic in transactions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from aiokafka import AIOKafkaProducer

from tests.kafka_logs import kafka_target
from ugc_core.codec import EVENT_HEADERS

_names = count(1)


class Others:
    """A producer that is none of ours; every value is a record of its own."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self.producer = producer
        self.topic = topic

    async def commit(self, *values: bytes) -> None:
        """Write in a transaction."""
        async with self.producer.transaction():
            await self.write(*values)

    async def abort(self, *values: bytes) -> None:
        """Write, and think better of it."""
        await self.producer.begin_transaction()
        await self.write(*values)
        await self.producer.abort_transaction()

    async def write(self, *values: bytes) -> None:
        """Write into the transaction that is open."""
        for value in values:
            headers = [*EVENT_HEADERS]
            await self.producer.send_and_wait(self.topic, value, partition=0, headers=headers)


@asynccontextmanager
async def others(section) -> AsyncIterator[Others]:
    """Connect as somebody who writes in transactions."""
    servers = list(kafka_target(section).servers)
    producer = AIOKafkaProducer(
        bootstrap_servers=servers, transactional_id=f"{section.topic}-{next(_names)}"
    )
    await producer.start()
    try:
        yield Others(producer, section.topic)
    finally:
        await producer.stop()
