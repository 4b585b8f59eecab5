"""Real brokers for the rows that break them: topics of a run, and what can be done to them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import for_code
from aiokafka.protocol.admin import DeleteGroupsRequest
from harness.kafka import Brokers, running
from msgspec.structs import replace

from chaos.parts import Places, chdb_program, warehouse_url
from chaos.programs import free_port
from ugc_core.settings import KafkaSection, LogSection

BROKERS = 3
_numbers = count(1)
_QUICK = {"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500"}
"""How soon the others notice that a broker has gone: the short form has no time to wait."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Three brokers that several runs share, one after the other.

    Attributes:
        brokers: These.
        warehouse_port: Where a warehouse is that they share, too; 0 where each has its own.
    """

    brokers: Brokers
    warehouse_port: int = 0

    def places(self, folder: Path, *, long: bool) -> Places:
        """Return where a run keeps what it has: topics, group and database are its own."""
        number = next(_numbers)
        port = self.warehouse_port
        shared = warehouse_url(port, f"movies_{number}") if port else ""
        return Places.inside(folder, section=self._section(number, long=long), shared=shared)

    def _section(self, number: int, *, long: bool) -> LogSection:
        """The long form has the product's own settings, the short one notices things sooner."""
        section = LogSection(url=self.brokers.url, topic=f"views-{number}", group=f"etl-{number}")
        if long:
            return section
        quick = KafkaSection(session_timeout_s=2.0, metadata_max_age_s=1.0, stuck_after_s=4.0)
        return replace(section, append_timeout_s=2.0, call_timeout_s=4.0, kafka=quick)

    async def kill(self, number: int) -> None:
        """End a broker with SIGKILL."""
        await asyncio.to_thread(self.brokers[number].kill)

    async def restart(self, number: int) -> None:
        """Start a broker again, while everything else goes on."""
        await asyncio.to_thread(self.brokers.restart, number)

    async def leaders(self, section: LogSection) -> Mapping[int, int]:
        """Return the broker that leads each partition of the reports."""
        async with admin(section) as client:
            found = await client.describe_topics([section.topic])
        return {one["partition"]: one["leader"] for one in found[0]["partitions"]}

    @contextmanager
    def mended(self) -> Iterator[None]:
        """Have every broker run again at the end, whatever has happened."""
        try:
            yield
        finally:
            self.brokers.mend()


@contextmanager
def running_cluster(folder: Path, *, long: bool) -> Iterator[Cluster]:
    """Start three brokers on an empty folder, and what short runs share; end them at the end.

    Raises:
        NoKafkaError: Java or Kafka's jars are missing.
    """
    settings = {} if long else _QUICK
    heap = "512m" if long else "192m"
    with ExitStack() as stack:
        brokers = stack.enter_context(running(folder, count=BROKERS, heap=heap, settings=settings))
        port = 0
        if not long:  # starting one for each run would take most of the time
            port = free_port()
            warehouse = chdb_program(folder / "chdb", folder / "warehouse", port)
            stack.callback(warehouse.put_away)
            asyncio.run(warehouse.start())
        yield Cluster(brokers=brokers, warehouse_port=port)


@asynccontextmanager
async def admin(section: LogSection) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open Kafka's own admin client: faults need what the product never does."""
    servers = section.url.removeprefix("kafka://").split(",")
    client = AIOKafkaAdminClient(bootstrap_servers=servers, client_id="chaos")
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def cut_off(section: LogSection, upto: Mapping[int, int]) -> None:
    """Have the brokers remove the records below an offset of each partition."""
    wanted = {
        TopicPartition(section.topic, partition): RecordsToDelete(before_offset=offset)
        for partition, offset in upto.items()
    }
    async with admin(section) as client:
        await client.delete_records(wanted, timeout_ms=10_000)


async def forget_group(section: LogSection) -> None:
    """Have the brokers forget what a group has committed, as they do after a week."""
    async with admin(section) as client:
        coordinator = await client.find_coordinator(section.group)
        request = DeleteGroupsRequest([section.group])
        response = await client._client.send(coordinator, request)  # noqa: SLF001 - it has no method
    for group, code in response.results:
        if code:
            raise for_code(code)(group)
