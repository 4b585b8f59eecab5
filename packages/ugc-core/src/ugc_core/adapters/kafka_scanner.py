"""Reads any part of a Kafka topic again, outside of every consumer group."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, PartitionRecords
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record import MemoryRecords

from ugc_core.adapters.kafka_queries import KafkaRole
from ugc_core.adapters.kafka_records import record_of
from ugc_core.errors import LogUnavailableError
from ugc_core.log import LogScanner, Record, Watermarks
from ugc_core.log_rules import check_range

_MAX_SCAN_BYTES = 8_388_608
_WAIT_MS = 500


class KafkaLogScanner(KafkaRole):
    """Ranges of the cluster's topics."""

    async def scan(
        self, topic: str, partition: int, start: int, end: int, *, max_records: int
    ) -> Sequence[Record]:
        """Return records of the range; what compaction or a marker took is stepped over."""
        await self._check(topic, partition, start, end)
        position = start
        while position < end:
            fetched = await self._fetch(TopicPartition(topic, partition), position)
            found: list[Record] = []
            for record in fetched:
                if record.offset >= end or len(found) == max_records:
                    break
                found.append(record_of(record))
            if found:
                return found
            if fetched.next_fetch_offset == position:
                await self._check(topic, partition, position, end)
                msg = f"{topic}[{partition}]: offset {position} did not come; try again"
                raise LogUnavailableError(msg)
            position = fetched.next_fetch_offset
        return []

    async def _check(self, topic: str, partition: int, start: int, end: int) -> None:
        marks = await self._queries.ends(topic, [partition])
        nothing = Watermarks(low=0, high=0)
        check_range(topic, partition, start, end, marks.get(partition, nothing))

    async def _fetch(self, place: TopicPartition, position: int) -> Any:  # noqa: ANN401
        leader = (await self._queries.partitions(place.topic)).get(place.partition, -1)
        what = f"{place.topic}[{place.partition}]"
        if leader < 0:
            msg = f"{what}: no broker leads it just now; try again"
            raise LogUnavailableError(msg)
        wanted = [(place.topic, [(place.partition, position, _MAX_SCAN_BYTES)])]
        request = FetchRequest(_WAIT_MS, 1, _MAX_SCAN_BYTES, READ_UNCOMMITTED, wanted)
        response = await self._queries.ask(request, what, node=leader)
        ((_, ((_, code, _, *_, data),)),) = response.topics
        if code and kafka.for_code(code) is not kafka.OffsetOutOfRangeError:
            msg = f"{what}: {kafka.for_code(code).__name__}; try again"
            raise LogUnavailableError(msg)
        read = partial(PartitionRecords, place, MemoryRecords(data or b""), None, position)
        return read(None, None, check_crcs=True, isolation_level=READ_UNCOMMITTED)


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _scanner: type[LogScanner] = KafkaLogScanner
