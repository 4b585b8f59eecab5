"""Appends to a Kafka topic: concurrent calls share records, and partitions go side by side."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from ugc_core.adapters.kafka_client import BROKEN, translated
from ugc_core.adapters.kafka_flights import Flight, Waiting, first_offset, gather
from ugc_core.adapters.kafka_producer import Producer
from ugc_core.clock import Clock, SystemClock
from ugc_core.deadlines import Deadlines
from ugc_core.errors import LogBusyError, LogUnavailableError, RecordTooLargeError, UgcError
from ugc_core.log import Headers, LogWriter, Receipt
from ugc_core.packing import pack
from ugc_core.partitioner import partition_for
from ugc_core.settings import LogSection
from ugc_core.urls import KafkaLogTarget

_COMPANY = 32
"""Appends that nothing more is waited for. Clients that wait for their answers would otherwise
come all at once, wait for the broker all together, and leave this process idle meanwhile."""
_TURNS = 5
"""Of the loop, until aiokafka has written the next batch to its socket: our task, the wait of its
sender, the sender, and the request's task. Callers are told after that: they have much to do with
an answer, and meanwhile the broker, too, has work."""


class KafkaLogWriter:
    """One topic of a cluster.

    A partition has one batch on its way at a time, as aiokafka would have it anyway; what
    comes meanwhile gathers, so that load makes records larger and not more numerous. The
    first to come after a quiet moment waits `linger_ms` for company.
    """

    def __init__(
        self,
        target: KafkaLogTarget,
        topic: str,
        settings: LogSection,
        *,
        clock: Clock,
        max_record_bytes: int,
    ) -> None:
        """Use `open`; this only wires."""
        self._loop = asyncio.get_running_loop()  # asking for it is a system call each time
        self._producer = Producer(target, topic, settings, on_new=self._flush)
        self._topic = topic
        self._settings = settings
        self._clock = clock
        # What cannot be compressed grows a little, and a batch has a head.
        self._max_record_bytes = max_record_bytes * 127 // 128 - 512
        self._linger_s = settings.kafka.linger_ms / 1000
        self._waiting: dict[int, deque[Waiting]] = {}
        self._flights: dict[int, Flight] = {}
        self._in_flight = 0
        self._gathered = 0
        self._landed: list[tuple[Flight, int, int]] = []
        self._timer: asyncio.Handle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._deadlines = Deadlines(settings.append_timeout_s, self._late)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        target: KafkaLogTarget,
        topic: str,
        settings: LogSection,
        *,
        clock: Clock | None = None,
        max_record_bytes: int = 1_048_576,
    ) -> AsyncIterator[Self]:
        """Connect to append to `topic`; what is under way is finished on the way out.

        Args:
            target: The brokers.
            topic: The topic; it has to exist.
            settings: Deadlines and bounds.
            clock: Time, for records' timestamps.
            max_record_bytes: Largest record that the topic takes.

        Raises:
            ConfigError: Kafka refuses us.
            LogUnavailableError: No broker answers, or there is no such topic.
        """
        writer = cls(
            target,
            topic,
            settings,
            clock=clock or SystemClock(),
            max_record_bytes=max_record_bytes,
        )
        await writer._producer.start()
        try:
            yield writer
        finally:
            await writer._close()

    @property
    def partitions(self) -> int:
        """Partitions that keys are spread over now."""
        return self._producer.partitions

    def refresh(self) -> None:
        """Take over what is known of the topic by now, as every batch does."""
        self._producer.refresh()

    async def append(self, key: bytes, lines: Sequence[bytes], *, headers: Headers = ()) -> Receipt:
        """Keep the lines; return when every replica in sync has them."""
        if self._in_flight >= self._settings.max_in_flight:
            msg = f"{self._in_flight} appends are under way already; try again in a moment"
            raise LogBusyError(msg)
        size = sum(map(len, lines)) + len(lines)
        if size > self._max_record_bytes:
            msg = f"{size} bytes are more than a record of {self._topic} may have"
            raise RecordTooLargeError(msg)
        loop = self._loop
        partition = partition_for(key, self._producer.partitions)
        done: asyncio.Future[Receipt] = loop.create_future()
        lane = self._waiting.get(partition)
        if lane is None:
            lane = self._waiting[partition] = deque()
        while lane and lane[0].done.done():  # given up, while the partition took nothing
            lane.popleft()
        lane.append(
            Waiting(
                partition=partition, key=key, lines=lines, headers=headers, size=size, done=done
            )
        )
        self._in_flight += 1
        self._gathered += 1
        if partition not in self._flights:
            if self._timer is None:
                self._timer = loop.call_later(self._linger_s, self._flush)
            elif self._gathered >= _COMPANY:
                self._flush()
        self._deadlines.watch(done, loop)
        try:
            return await done
        finally:
            self._in_flight -= 1
            del done  # its error's traceback holds this frame, and so all that the caller has

    def _late(self) -> LogUnavailableError:
        timeout_s = self._settings.append_timeout_s
        return LogUnavailableError(f"Kafka did not acknowledge within {timeout_s:g} s")

    def _flush(self) -> None:
        """Send what waits for partitions that have nothing on its way."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._gathered = 0
        if not self._producer.ready:
            return  # the next one calls again
        self._producer.refresh()
        loop = self._loop
        for partition, lane in self._waiting.items():
            if lane and partition not in self._flights and (group := gather(lane)):
                section = self._settings
                packs = pack(group, max_lines=section.pack_lines, max_bytes=section.pack_bytes)
                flight = Flight(packs, loop.time())
                self._flights[partition] = flight
                task = loop.create_task(self._send(partition, flight))
                self._sending.add(task)
                task.add_done_callback(self._sending.discard)
        if self._flights and self._watch is None:
            self._watch = loop.call_later(self._settings.append_timeout_s, self._look)

    async def _send(self, partition: int, flight: Flight) -> None:
        try:
            sent = await self._producer.send(partition, flight.packs, self._clock.wall_ms())
        except (*BROKEN, UgcError) as error:
            self._failed(partition, flight, error)
        else:
            sent.add_done_callback(partial(self._answered, partition, flight))

    def _answered(self, partition: int, flight: Flight, sent: "asyncio.Future[Any]") -> None:
        """Let the next batch go, and then tell each caller of this one where its lines are."""
        first = first_offset(sent)
        if not isinstance(first, int):
            self._failed(partition, flight, first)
            return
        self._free(partition, flight)
        self._landed.append((flight, partition, first))
        if len(self._landed) == 1:
            self._tell_in(_TURNS)

    def _tell_in(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._tell_in, turns - 1)
            return
        landed, self._landed = self._landed, []
        for flight, partition, first in landed:
            flight.landed(partition, first)

    def _failed(self, partition: int, flight: Flight, error: BaseException) -> None:
        """Fail the callers; the producer is of no use now."""
        known = self._flights.get(partition) is flight
        failure = translated(error, f"append to {self._topic}")
        flight.failed(failure)
        self._free(partition, flight)
        if known:  # one of a producer that was replaced says nothing of the new one
            self._producer.replace(str(failure))

    def _free(self, partition: int, flight: Flight) -> None:
        if self._flights.get(partition) is flight:
            del self._flights[partition]
        if self._timer is None and self._waiting.get(partition):
            # After the other partitions of the same answer: they go with the same request.
            self._timer = self._loop.call_soon(self._flush)

    def _look(self) -> None:
        """Replace a producer that has had a batch for too long."""
        self._watch = None
        loop = self._loop
        stuck_s = self._settings.kafka.stuck_after_s
        if any(flight.left_at + stuck_s < loop.time() for flight in self._flights.values()):
            self._flights.clear()  # their callers have gone by now
            self._producer.replace(f"a batch was not acknowledged within {stuck_s:g} s")
        if self._flights:
            self._watch = loop.call_later(self._settings.append_timeout_s, self._look)

    async def _close(self) -> None:
        """Wait for what is under way; each append has its own deadline."""
        callers = [waiting.done for lane in self._waiting.values() for waiting in lane]
        for flight in (*self._flights.values(), *(flight for flight, _, _ in self._landed)):
            callers += flight.callers()
        if callers:
            await asyncio.wait(callers, timeout=self._settings.append_timeout_s)
        for timer in (self._timer, self._watch):
            if timer is not None:
                timer.cancel()
        self._deadlines.close()
        await self._producer.stop(timeout_s=min(self._settings.append_timeout_s, 2.0))


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _writer: type[LogWriter] = KafkaLogWriter
