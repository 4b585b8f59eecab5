"""A consumer of a group that is thrown away for a new one when it is stuck."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka import errors as kafka

from ugc_core.adapters.kafka_client import cancelled, connection, ended, started
from ugc_core.adapters.kafka_membership import Membership
from ugc_core.errors import UgcError
from ugc_core.settings import LogSection
from ugc_core.urls import KafkaLogTarget

_log = structlog.get_logger()
_CLOSE_S = 5.0
_FETCH_BYTES = 16_777_216
"""Most bytes of one answer of a broker, so most that wait in memory for each broker."""
_HEARTBEATS = 8
"""How often a member shows in its session that it lives; so it learns of others that come."""
_FETCHES, _FETCH_MS = 40, 250
"""How often it asks for records in its session while there are none, and the longest wait for
an answer, in milliseconds: until then aiokafka asks for nothing else, not even after a seek."""

Fetched = Mapping[TopicPartition, Sequence[ConsumerRecord]]


class Consumer:
    """One member of a group, reading one topic.

    Attributes:
        membership: What the group has given us.
    """

    def __init__(
        self,
        target: KafkaLogTarget,
        topic: str,
        group: str,
        settings: LogSection,
        on_given: Callable[[Mapping[int, bool]], None],
    ) -> None:
        """Use `open`; this only wires."""
        self._topic = topic
        self._group = group
        self._settings = settings
        self._on_given = on_given
        self._arguments = connection(target, settings, timeout_s=settings.call_timeout_s)
        self._current: AIOKafkaConsumer | None = None
        self._fetching: asyncio.Task[Fetched] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self.membership = self._new_membership(None)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        target: KafkaLogTarget,
        topic: str,
        group: str,
        settings: LogSection,
        *,
        on_given: Callable[[Mapping[int, bool]], None],
    ) -> AsyncIterator[Self]:
        """Connect and ask to join the group; partitions come later.

        Raises:
            ConfigError: Kafka refuses us.
            LogUnavailableError: No broker answers.
        """
        consumer = cls(target, topic, group, settings, on_given)
        try:
            await consumer.started()
            yield consumer
        finally:
            await consumer._stop()

    async def started(self) -> AIOKafkaConsumer:
        """Return the consumer that works, made anew if the last one was thrown away."""
        if self._current is not None:
            return self._current
        section = self._settings.kafka
        session_ms = section.session_timeout_s * 1000
        consumer = AIOKafkaConsumer(
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            # What another producer wrote into a transaction and gave up was never said.
            isolation_level="read_committed",
            fetch_max_wait_ms=round(min(session_ms / _FETCHES, _FETCH_MS)),
            fetch_max_bytes=_FETCH_BYTES,
            session_timeout_ms=round(session_ms),
            heartbeat_interval_ms=round(session_ms / _HEARTBEATS),
            rebalance_timeout_ms=round(section.rebalance_timeout_s * 1000),
            max_poll_interval_ms=round(section.max_poll_interval_s * 1000),
            **self._arguments,
        )
        try:
            timeout_s = self._settings.call_timeout_s
            await started(consumer.start, self._arguments, timeout_s=timeout_s)
        except (UgcError, asyncio.CancelledError):
            await ended(consumer.stop, timeout_s=1)
            raise
        self.membership = self._new_membership(consumer)
        consumer.subscribe([self._topic], listener=self.membership)
        self._current = consumer
        return consumer

    async def fetch(self, *, max_records: int, wait_s: float) -> Fetched:
        """Return what has come, waiting for it; what comes later is for the next call.

        Never cancelled in the middle: aiokafka would forget that nobody polls any more, and
        while the group shares out anew its call waits without a limit.

        Raises:
            KafkaError: A partition cannot be read, or the consumer is of no use any more.
        """
        consumer = await self.started()
        if self._fetching is None:
            fetched = consumer.getmany(timeout_ms=round(wait_s * 1000), max_records=max_records)
            self._fetching = asyncio.create_task(fetched)
        done, _ = await asyncio.wait({self._fetching}, timeout=wait_s + 0.05)
        if not done:
            return {}
        task, self._fetching = self._fetching, None
        return task.result()

    @property
    def fetching(self) -> bool:
        """Whether records may have come that no `fetch` has returned yet."""
        return self._fetching is not None

    def seek(self, partition: int, offset: int) -> None:
        """Read on at `offset`, if the partition is ours."""
        if self._current is not None and (place := self._place(partition)):
            self._current.seek(place, offset)

    def hold(self, partition: int, *, back: bool) -> None:
        """Fetch nothing from a partition, or fetch again."""
        if self._current is not None and (place := self._place(partition)):
            (self._current.pause if back else self._current.resume)(place)

    async def position(self, partition: int) -> int | None:
        """Return where the consumer reads on, None where it does not."""
        if self._current is not None and (place := self._place(partition)):
            with suppress(TimeoutError, kafka.IllegalStateError):  # it was taken this moment
                async with asyncio.timeout(1):
                    return int(await self._current.position(place))
        return None

    def throw_away(self, why: str) -> None:
        """Have the next call make a new consumer: a new member, which holds nothing."""
        old, self._current = self._current, None
        self.membership = self._new_membership(None)
        if old is not None:
            _log.warning("kafka_consumer_replaced", topic=self._topic, reason=why)
            task = asyncio.create_task(_close(old, self._fetching))
            self._fetching = None
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _place(self, partition: int) -> TopicPartition | None:
        """Return how the consumer names a partition, if it is ours."""
        place = TopicPartition(self._topic, partition)
        held = self._current is not None and place in self._current.assignment()
        return place if held else None

    def _new_membership(self, consumer: AIOKafkaConsumer | None) -> Membership:
        now = asyncio.get_running_loop().time

        def given(kept: Mapping[int, bool]) -> None:
            if self._current is consumer:  # one that is being closed may still be given some
                self._on_given(kept)

        # The coordinator has the generation and the member's name in public attributes, but
        # the consumer keeps it to itself.
        return Membership(now, lambda: consumer._coordinator, given)  # type: ignore[union-attr]  # noqa: SLF001 - no other way in

    async def _stop(self) -> None:
        if self._current is not None:
            await _close(self._current, self._fetching)
        if self._closing:
            await asyncio.wait({*self._closing}, timeout=_CLOSE_S)


async def _close(consumer: AIOKafkaConsumer, fetching: "asyncio.Task[Any] | None") -> None:
    """Leave the group and close; a consumer that hangs is taken apart."""
    await cancelled(fetching)
    if await ended(consumer.stop, timeout_s=_CLOSE_S):
        return
    for part, names in (
        (consumer._coordinator, ("_coordination_task", "_heartbeat_task", "_commit_refresh_task")),  # noqa: SLF001 - no other way in
        (consumer._fetcher, ("_fetch_task",)),  # noqa: SLF001 - no other way in
    ):
        await cancelled(*(getattr(part, name, None) for name in names))
    for task in getattr(consumer._fetcher, "_pending_tasks", ()):  # noqa: SLF001 - no other way in
        await cancelled(task)
    await ended(consumer._client.close, timeout_s=1)  # noqa: SLF001 - no other way in
