"""A Kafka producer that is thrown away for a new one when it is of no use any more.

After a refused batch an idempotent producer has used up sequence numbers that the broker
never saw: it fails every later one. And one has been seen to send nothing for ever after a
broker had gone, without saying so.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer

from ugc_core.adapters.kafka_client import BROKEN, cancelled, connection, ended, started
from ugc_core.adapters.kafka_queries import KafkaQueries
from ugc_core.backoff import Backoff
from ugc_core.errors import LogUnavailableError, UgcError
from ugc_core.packing import Pack
from ugc_core.settings import LogSection
from ugc_core.urls import KafkaLogTarget

_log = structlog.get_logger()
_BACKOFF = Backoff(first_s=0.2, most_s=5.0)
BATCH_BYTES = 950_000
"""Most bytes that go to a partition at once; a broker takes 1 MiB by default, compressed."""


class Producer:
    """Sends batches to one topic.

    Attributes:
        partitions: How many partitions the topic had when it was last looked at.
    """

    def __init__(
        self,
        target: KafkaLogTarget,
        topic: str,
        settings: LogSection,
        *,
        on_new: Callable[[], None],
    ) -> None:
        """Wire it; `start` connects.

        Args:
            target: The brokers.
            topic: The topic.
            settings: Deadlines and compression.
            on_new: Told when a new producer has taken over.
        """
        self.partitions = 0
        self._topic = topic
        self._settings = settings
        self._on_new = on_new
        self._arguments = connection(target, settings, timeout_s=settings.append_timeout_s)
        self._current: AIOKafkaProducer | None = None
        self._replacing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def start(self) -> None:
        """Connect.

        Raises:
            ConfigError: Kafka refuses us.
            LogUnavailableError: No broker answers, or there is no such topic.
        """
        self._current = await self._started()
        self.refresh()

    def refresh(self) -> None:
        """Take over the topic's number of partitions, as metadata has it by now."""
        if self._current is not None:
            found = self._current.client.cluster.partitions_for_topic(self._topic)
            self.partitions = len(found) if found else self.partitions

    @property
    def ready(self) -> bool:
        """Whether there is a producer just now."""
        return self._current is not None

    async def send(
        self, partition: int, packs: Sequence[Pack[Any]], at_ms: int
    ) -> "asyncio.Future[Any]":
        """Hand a batch over; the future has the offset of its first record.

        Raises:
            LogUnavailableError: There is no producer, or the batch does not fit.
        """
        producer = self._current
        if producer is None:
            msg = "the connection to Kafka is being made anew"
            raise LogUnavailableError(msg)
        batch = producer.create_batch()
        for item in packs:
            headers = [*item.headers]
            kept = batch.append(timestamp=at_ms, key=item.key, value=item.value, headers=headers)
            if kept is None:  # it would be missing, and acknowledged
                msg = "a batch is larger than it may be"
                raise LogUnavailableError(msg)
        batch.close()
        sent: asyncio.Future[Any] = await producer.send_batch(
            batch, self._topic, partition=partition
        )
        return sent

    def replace(self, why: str) -> None:
        """Throw the producer away and make a new one, in the background."""
        old, self._current = self._current, None
        if old is None:
            return
        _log.warning("kafka_producer_replaced", topic=self._topic, reason=why)
        task = asyncio.create_task(_close(old, timeout_s=self._settings.append_timeout_s))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        self._replacing = asyncio.create_task(self._replace())

    async def stop(self, *, timeout_s: float) -> None:
        """Send what was handed over, and close, within the deadline."""
        self._stopped = True
        if self._replacing is not None:
            # Cancelled while it connects, aiokafka would leave that connection open.
            await asyncio.wait({self._replacing}, timeout=timeout_s)
            await cancelled(self._replacing)
        if self._current is not None:
            await _close(self._current, timeout_s=timeout_s)
            self._current = None
        if self._closing:
            await asyncio.wait({*self._closing}, timeout=timeout_s)

    async def _replace(self) -> None:
        attempt = 0
        while self._current is None and not self._stopped:
            try:
                self._current = await self._started()
            except UgcError as error:
                attempt += 1
                _log.warning("kafka_producer_waits", topic=self._topic, reason=str(error))
                await asyncio.sleep(_BACKOFF.wait_s(attempt))
        self.refresh()
        self._on_new()

    async def _started(self) -> AIOKafkaProducer:
        compression = self._settings.kafka.compression
        producer = AIOKafkaProducer(
            acks="all",
            enable_idempotence=True,
            compression_type=None if compression == "none" else compression,
            max_batch_size=2 * BATCH_BYTES,
            **self._arguments,
        )
        timeout_s = self._settings.call_timeout_s
        try:
            await started(producer.start, self._arguments, timeout_s=timeout_s)
            # Asked without creating it: a producer's own look would, where brokers allow it.
            queries = KafkaQueries(producer.client, timeout_s=timeout_s)
            if not await queries.partitions(self._topic):
                msg = f"topic {self._topic} does not exist; run `ugc init`"
                raise LogUnavailableError(msg)
            async with asyncio.timeout(timeout_s):
                await producer.partitions_for(self._topic)
        except (*BROKEN, UgcError, asyncio.CancelledError):
            await ended(producer.stop, timeout_s=1)
            raise
        return producer


async def _close(producer: AIOKafkaProducer, *, timeout_s: float) -> None:
    """Close a producer, flushing it; one that hangs is taken apart."""
    accumulator, sender = producer._message_accumulator, producer._sender  # noqa: SLF001 - no other way in
    if sender.sender_task is not None:
        # At its end it would fail a transaction, and there is none: a traceback for nothing.
        sender.sender_task.remove_done_callback(sender._fail_all)  # noqa: SLF001 - no other way in
        sender.sender_task.add_done_callback(_look_at)
    if await ended(producer.stop, timeout_s=timeout_s):
        return
    # Its own `stop` waits for batches that never go out, and is not to be called twice.
    accumulator.fail_all(LogUnavailableError("the producer was closed"))
    for _ in range(5):  # its routine waits for each of its requests in turn
        await cancelled(sender.sender_task)
    with suppress(Exception):
        await ended(producer.client.close, timeout_s=1)


def _look_at(task: "asyncio.Task[Any]") -> None:
    """Take an error for known, so that asyncio does not complain that nobody has seen it."""
    if not task.cancelled():
        task.exception()
