"""What Kafka can be asked without being a member of a group or sending a record.

aiokafka's admin client raises nothing when a group's coordinator answers with an error as a
whole, as one does that has just started: it then reports no commits, and a reader would begin
at the oldest record. Here the requests are made directly, and every answer is looked at.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self

from aiokafka import AIOKafkaClient
from aiokafka import errors as kafka
from aiokafka.client import CoordinationType
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest

from ugc_core.adapters.kafka_answers import raise_any
from ugc_core.adapters.kafka_client import connection, ended, started, within
from ugc_core.log import Commit, Watermarks
from ugc_core.settings import LogSection
from ugc_core.urls import KafkaLogTarget

_OLDEST, _NEWEST = -2, -1
_CLOSE_S = 2.0
_TRIES = 3
"""Brokers that are asked one after the other before a call's time is over."""


class KafkaQueries:
    """Questions to a cluster, each with a deadline, repeated while they may yet be answered."""

    def __init__(self, client: AIOKafkaClient, *, timeout_s: float) -> None:
        """Use `open`, or a client that a producer has."""
        self._client = client
        self._timeout_s = timeout_s
        self._turn = 0
        self._coordinators: dict[str, int] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, target: KafkaLogTarget, settings: LogSection) -> AsyncIterator[Self]:
        """Connect.

        Raises:
            ConfigError: Kafka refuses the credentials or the certificate.
            LogUnavailableError: No broker answers.
        """
        timeout_s = settings.call_timeout_s
        arguments = connection(target, settings, timeout_s=timeout_s / _TRIES)
        client = AIOKafkaClient(**arguments)
        try:
            await started(client.bootstrap, arguments, timeout_s=timeout_s)
            yield cls(client, timeout_s=timeout_s)
        finally:
            await ended(client.close, timeout_s=_CLOSE_S)

    async def ask(
        self,
        request: Any,
        what: str,
        *,
        node: int | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Send a request to a broker, or to each in turn until one answers."""

        async def send(failures: int) -> object:
            chosen = self._any(failures) if node is None else node
            return await self._client.send(chosen, request)

        return await within(timeout_s or self._timeout_s, what, send)

    async def ask_coordinator(
        self,
        group: str,
        request: Any,
        what: str,
        look: Callable[[Any], None],
    ) -> Any:
        """Send a request to the broker that looks after a group.

        Args:
            group: The group.
            request: The request.
            what: What is being done, for the error.
            look: Raises the error that is in an answer.
        """

        async def send(_: int) -> object:
            return await self.ask_coordinator_once(group, request, look)

        return await within(self._timeout_s, what, send)

    async def ask_coordinator_once(
        self,
        group: str,
        request: Any,
        look: Callable[[Any], None],
    ) -> Any:
        """Send a request to that broker and do not try again; after a failure look for it anew.

        Raises:
            KafkaError: It does not answer, or what `look` raises.
        """
        try:
            if group not in self._coordinators:
                found = await self._client.coordinator_lookup(CoordinationType.GROUP, group)
                self._coordinators[group] = found
            response = await self._client.send(self._coordinators[group], request)
            look(response)
        except BaseException:
            self._coordinators.pop(group, None)
            raise
        return response

    def nodes(self) -> list[int]:
        """Return the brokers that are known."""
        return sorted(broker.nodeId for broker in self._client.cluster.brokers())

    def address(self, node: int) -> str:
        """Return where a broker listens."""
        broker = self._client.cluster.broker_metadata(node)
        return f"{broker.host}:{broker.port}" if broker else f"broker {node}"

    async def partitions(self, topic: str, *, node: int | None = None) -> dict[int, int]:
        """Return the leader of each partition, -1 for none; empty for an unknown topic."""
        for code, _, _, partitions in (await self.metadata([topic], node=node)).topics:
            if not code:
                return {partition: leader for _, partition, leader, *_ in partitions}
        return {}

    async def metadata(self, names: Sequence[str], *, node: int | None = None) -> Any:
        """Return what a broker says of these topics; asking never creates one."""
        request = MetadataRequest([*names], allow_auto_topic_creation=False)
        return await within(self._timeout_s, "topics", partial(self._metadata, request, node))

    async def ends(
        self, topic: str, partitions: Iterable[int] | None = None, *, settled: bool = False
    ) -> dict[int, Watermarks]:
        """Return the ends of some partitions, or of all; without those that do not exist.

        Args:
            topic: The topic.
            partitions: Some of its partitions; all by default.
            settled: Whether the high one is where the first transaction begins that is still
                open: no reader comes further.
        """
        low = await self._offsets(topic, _OLDEST, partitions)
        isolation = READ_COMMITTED if settled else READ_UNCOMMITTED
        high = await self._offsets(topic, _NEWEST, low, isolation=isolation)
        return {p: Watermarks(low=low[p], high=max(high[p], low[p])) for p in low if p in high}

    async def offsets_at(self, topic: str, at_ms: int) -> dict[int, int]:
        """Return the first offset that is not older, else the high mark."""
        high = await self._offsets(topic, _NEWEST)
        found = await self._offsets(topic, max(at_ms, 0), high)
        return {p: offset if (offset := found.get(p, -1)) >= 0 else high[p] for p in high}

    async def commits(self, group: str, topic: str, partitions: Iterable[int]) -> dict[int, Commit]:
        """Return what a group has committed."""
        request = OffsetFetchRequest(group, [(topic, sorted(partitions))])
        what = f"commits of group {group}"
        response = await self.ask_coordinator(group, request, what, partial(_commits_in, group))
        return {
            partition: Commit(offset=offset, metadata=metadata or "")
            for _, found in response.topics
            for partition, offset, metadata, _ in found
            if offset >= 0
        }

    async def _metadata(self, request: MetadataRequest, node: int | None, failures: int) -> Any:
        chosen = self._any(failures) if node is None else node
        response = await self._client.send(chosen, request)
        for code, topic, *_ in response.topics:
            error = kafka.for_code(code)
            if code and error is not kafka.UnknownTopicOrPartitionError:
                raise error(topic)
        return response

    async def _offsets(
        self,
        topic: str,
        at: int,
        partitions: Iterable[int] | None = None,
        *,
        isolation: int = READ_UNCOMMITTED,
    ) -> dict[int, int]:
        wanted = None if partitions is None else frozenset(partitions)
        asked = partial(self._offsets_once, topic, at, wanted, isolation)
        found: dict[int, int] = await within(self._timeout_s, f"offsets of {topic}", asked)
        return found

    async def _offsets_once(
        self, topic: str, at: int, wanted: frozenset[int] | None, isolation: int, _: int
    ) -> dict[int, int]:
        by_leader: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for partition, leader in (await self.partitions(topic)).items():
            if wanted is None or partition in wanted:
                by_leader[leader].append((partition, at))
        found: dict[int, int] = {}
        for leader, asked in by_leader.items():
            if leader < 0:
                raise kafka.LeaderNotAvailableError(topic)
            request = OffsetRequest(-1, isolation, [(topic, asked)])
            response = await self._client.send(leader, request)
            for partition, code, _, offset in response.topics[0][1]:
                raise_any([code], topic)
                found[partition] = offset
        return found

    def _any(self, failures: int) -> int:
        """Return another broker after each failure."""
        nodes = self.nodes()
        if not nodes:
            raise kafka.NoBrokersAvailable
        self._turn += 1 if failures else 0
        return nodes[self._turn % len(nodes)]


class KafkaRole:
    """One role that needs nothing but questions and single requests."""

    def __init__(self, queries: KafkaQueries, settings: LogSection) -> None:
        """Use `open`; this only wires."""
        self._queries = queries
        self._settings = settings

    @classmethod
    @asynccontextmanager
    async def open(cls, target: KafkaLogTarget, settings: LogSection) -> AsyncIterator[Self]:
        """Connect.

        Raises:
            ConfigError: Kafka refuses the credentials or the certificate.
            LogUnavailableError: No broker answers.
        """
        async with KafkaQueries.open(target, settings) as queries:
            yield cls(queries, settings)


def _commits_in(group: str, response: Any) -> None:
    """Raise what a coordinator answers in place of commits."""
    codes = [code for _, found in response.topics for *_, code in found]
    raise_any((response.error_code, *codes), group)


def checked(answers: Iterable[tuple[str, int, str | None]]) -> Mapping[str, kafka.KafkaError]:
    """Return the errors in an answer of (name, code, message) by name."""
    return {
        name: kafka.for_code(code)(f"{name}: {message or kafka.for_code(code).__name__}")
        for name, code, message in answers
        if code
    }
