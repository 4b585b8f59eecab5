"""Groups, brokers and copies of a Kafka cluster, for whoever looks after it."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.protocol.admin import ApiVersionRequest, DescribeGroupsRequest
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest

from ugc_core.adapters.kafka_answers import commit_codes, from_outside, raise_any
from ugc_core.adapters.kafka_queries import KafkaRole
from ugc_core.adapters.kafka_topics import find_topics
from ugc_core.errors import InUseError, LogUnavailableError
from ugc_core.log_operator import Api, Copies, LogOperator, Member, Server
from ugc_core.log_rules import group_in_use

_PATIENCE_S = 2.0
"""How long one broker of several may take: one that has just died is still among them."""
_NOBODY = (-1, "")
"""Generation and name of who commits without being a member."""

Versions = Mapping[int, tuple[int, int]]
"""By kind of request, the lowest and the highest version that a broker understands."""


class KafkaLogOperator(KafkaRole):
    """Looks after a cluster and its groups."""

    async def members(self, group: str, topic: str) -> Sequence[Member]:
        """Ask the group's coordinator."""
        request = DescribeGroupsRequest([group])
        answer = await self._queries.ask_coordinator(
            group,
            request,
            f"members of group {group}",
            lambda found: raise_any(_codes(found), group),
        )
        lease_s = self._settings.kafka.session_timeout_s
        return [
            Member(
                client=client,
                host=host.removeprefix("/"),
                name=name,
                partitions=_partitions(assignment, topic),
                lease_s=lease_s,
            )
            for _, _, _, _, _, members, *_ in answer.groups
            for name, client, host, _, assignment in members
        ]

    async def move(self, group: str, topic: str, positions: Mapping[int, int]) -> None:
        """Commit as nobody: the coordinator takes that only while the group has no member."""
        commits = [(partition, offset, "") for partition, offset in sorted(positions.items())]
        request = OffsetCommitRequest(group, *_NOBODY, -1, [(topic, commits)])
        what = f"move group {group}"
        try:
            await self._queries.ask_coordinator(group, request, what, partial(_committed, group))
        except InUseError as error:
            raise group_in_use(group, await self.members(group, topic)) from error

    async def server(self) -> Server:
        """Ask every broker which requests it understands: none tells its version."""
        nodes = self._queries.nodes()
        answers = await asyncio.gather(*map(self._versions, nodes), return_exceptions=True)
        found: list[Versions] = []
        silent: dict[str, str] = {}
        for node, answer in zip(nodes, answers, strict=True):
            if isinstance(answer, LogUnavailableError):  # it has died; others stand in for it
                silent[self._queries.address(node)] = str(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found.append(answer)
        if not found:
            msg = f"no broker answers: {next(iter(silent.values()), 'none is known')}"
            raise LogUnavailableError(msg)
        return Server(name="kafka", nodes=len(nodes), silent=silent, apis=dict(_apis(found)))

    async def _versions(self, node: int) -> Versions:
        answer = await self._queries.ask(
            ApiVersionRequest(), "versions", node=node, timeout_s=_PATIENCE_S
        )
        return {api: (low, high) for api, low, high in answer.api_versions}

    async def copies(self, topic: str) -> Mapping[int, Copies]:
        """Ask which replicas of each partition are in sync."""
        there = (await find_topics(self._queries, [topic])).get(topic)
        if there is None:
            return {}
        needed = int(there.configs["min.insync.replicas"])
        [(_, _, _, partitions)] = (await self._queries.metadata([topic])).topics
        return {
            partition: Copies(wanted=len(replicas), in_sync=len(in_sync), needed=needed)
            for _, partition, _, replicas, in_sync, *_ in partitions
        }


def _apis(found: Sequence[Versions]) -> Iterator[tuple[str, Api]]:
    """Yield what all brokers understand of the requests that matter most to us."""
    requests: Mapping[str, Any] = {
        "produce": ProduceRequest(None, -1, 0, []),
        "fetch": FetchRequest(0, 0, 0, 0, []),
        "metadata": MetadataRequest([]),
        "offset commit": OffsetCommitRequest("", *_NOBODY, -1, []),
    }
    for name, request in requests.items():
        ranges = [versions[request.API_KEY] for versions in found if request.API_KEY in versions]
        if ranges:
            lowest, highest = max(low for low, _ in ranges), min(high for _, high in ranges)
            spoken = request.prepare({request.API_KEY: (lowest, highest)}).API_VERSION
            yield name, Api(spoken=spoken, lowest=lowest, highest=highest)


def _partitions(assignment: bytes, topic: str) -> tuple[int, ...]:
    """Return what a member holds of a topic; nothing while the group shares out."""
    if not assignment:
        return ()
    places = ConsumerProtocolMemberAssignment.decode(assignment).partitions()
    return tuple(sorted(place.partition for place in places if place.topic == topic))


def _codes(answer: Any) -> Iterable[int]:
    return [code for code, *_ in answer.groups]


def _committed(group: str, answer: Any) -> None:
    codes = commit_codes(answer)
    if from_outside(codes):
        raise group_in_use(group, ())
    raise_any(codes, group)


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _operator: type[LogOperator] = KafkaLogOperator
