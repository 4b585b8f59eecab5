"""Reads any part of a Kafka topic again, outside of every consumer group."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record import MemoryRecords

from ugc_core.adapters.kafka_queries import KafkaRole
from ugc_core.adapters.kafka_records import record_of
from ugc_core.errors import LogHeldUpError, LogUnavailableError
from ugc_core.log import LogScanner, Record, Watermarks
from ugc_core.log_rules import check_range

_MAX_SCAN_BYTES = 8_388_608
_WAIT_MS = 500
_FOLLOWERS = 11
"""The version from which on an answer also names another broker to read from."""


class _Page(NamedTuple):
    """What came of one fetch.

    Attributes:
        records: aiokafka's iterator; it knows how far it has read.
        held_up: Whether a transaction is open just where the fetch began.
    """

    records: Any
    held_up: bool


class KafkaLogScanner(KafkaRole):
    """Ranges of the cluster's topics."""

    async def scan(
        self, topic: str, partition: int, start: int, end: int, *, max_records: int
    ) -> Sequence[Record]:
        """Return records of the range; what compaction or a marker took is stepped over."""
        await self._check(topic, partition, start, end)
        position = start
        while position < end:
            page = await self._fetch(TopicPartition(topic, partition), position)
            found: list[Record] = []
            for record in page.records:
                if record.offset >= end or len(found) == max_records:
                    break
                found.append(record_of(record))
            if found:
                return found
            if page.records.next_fetch_offset == position:
                await self._check(topic, partition, position, end)
                raise _why_not(TopicPartition(topic, partition), position, page)
            position = page.records.next_fetch_offset
        return []

    async def _check(self, topic: str, partition: int, start: int, end: int) -> None:
        marks = await self._queries.ends(topic, [partition])
        nothing = Watermarks(low=0, high=0)
        check_range(topic, partition, start, end, marks.get(partition, nothing))

    async def _fetch(self, place: TopicPartition, position: int) -> _Page:
        leader = (await self._queries.partitions(place.topic)).get(place.partition, -1)
        what = f"{place.topic}[{place.partition}]"
        if leader < 0:
            msg = f"{what}: no broker leads it just now; try again"
            raise LogUnavailableError(msg)
        wanted = [(place.topic, [(place.partition, position, _MAX_SCAN_BYTES)])]
        request = FetchRequest(_WAIT_MS, 1, _MAX_SCAN_BYTES, READ_COMMITTED, wanted)
        response = await self._queries.ask(request, what, node=leader)
        ((_, (answer,)),) = response.topics
        code, high, settled, data = answer[1], answer[2], answer[3], answer[-1]
        if code and kafka.for_code(code) is not kafka.OffsetOutOfRangeError:
            msg = f"{what}: {kafka.for_code(code).__name__}; try again"
            raise LogUnavailableError(msg)
        aborted = answer[-3 if response.API_VERSION >= _FOLLOWERS else -2]
        read = partial(PartitionRecords, place, MemoryRecords(data or b""), aborted, position)
        records = read(None, None, check_crcs=True, isolation_level=READ_COMMITTED)
        return _Page(records, held_up=settled <= position < high)


def _why_not(place: TopicPartition, position: int, page: _Page) -> LogUnavailableError:
    """Say why a record that is there did not come."""
    what = f"{place.topic}[{place.partition}]: offset {position}"
    if page.held_up:
        return LogHeldUpError(
            f"{what} belongs to a transaction of another producer that is still open, and nothing"
            " after it can be read before that ends; try again, or see `kafka-transactions.sh"
            " --bootstrap-server HOST:PORT find-hanging`"
        )
    return LogUnavailableError(f"{what} did not come; try again")


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _scanner: type[LogScanner] = KafkaLogScanner
