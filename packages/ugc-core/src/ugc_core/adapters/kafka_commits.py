"""What a consumer group has committed: set by its member, and read back with its notes."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka import errors as kafka
from aiokafka.protocol.commit import OffsetCommitRequest

from ugc_core.adapters.kafka_answers import commit_codes, from_outside, raise_any
from ugc_core.adapters.kafka_client import within
from ugc_core.adapters.kafka_consumer import Consumer
from ugc_core.adapters.kafka_positions import Positions
from ugc_core.adapters.kafka_queries import KafkaQueries
from ugc_core.errors import PartitionLostError
from ugc_core.log import MAX_METADATA_BYTES, Commit


@dataclass(kw_only=True)
class Commits:
    """The commits of one member.

    Attributes:
        consumer: The member.
        queries: Where the group's commits are asked for.
        positions: The partitions that the caller knows to be ours.
        topic: The topic.
        group: The group.
        timeout_s: Longest wait for an answer, in seconds.
    """

    consumer: Consumer
    queries: KafkaQueries
    positions: Positions
    topic: str
    group: str
    timeout_s: float

    def mine(self) -> frozenset[int]:
        """Return those that are ours under the lease that the caller has seen."""
        return self.positions.held(self.consumer.membership.leases)

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        """Remember these positions, in one request.

        Raises:
            PartitionLostError: Another member has one of the partitions by now.
            LogUnavailableError: The coordinator did not answer in time.
        """
        for commit in commits.values():
            if len(commit.metadata.encode()) > MAX_METADATA_BYTES:
                msg = f"a commit's metadata has more than {MAX_METADATA_BYTES} bytes"
                raise ValueError(msg)
        await within(self.timeout_s, "commit", partial(self._commit, commits))

    async def committed(self, partitions: frozenset[int]) -> Mapping[int, Commit]:
        """Return what was committed."""
        return await self.queries.commits(self.group, self.topic, partitions)

    async def follow(self) -> None:
        """Move commits on over offsets that hold no record."""
        mine = self.mine()
        overtaken = {p: c for p, c in self.positions.overtaken().items() if p in mine}
        if overtaken:
            with suppress(PartitionLostError):  # its new owner does the same
                await self.commit(overtaken)

    async def _commit(self, commits: Mapping[int, Commit], _: int) -> None:
        """Commit as the member that was given these partitions.

        Not by aiokafka's consumer: that signs with the newest generation it knows of, and so
        a member that has still to hear what it lost would commit over the new owner's head.
        Signed with the generation of our leases the coordinator refuses it.
        """
        lost = sorted(commits.keys() - self.mine())
        if lost:
            msg = f"{self.topic}{lost} belongs to another member of {self.group} by now"
            raise PartitionLostError(msg)
        places = [(p, c.offset, c.metadata) for p, c in commits.items()]
        request = OffsetCommitRequest(
            self.group,
            *self.consumer.membership.known_as,
            OffsetCommitRequest.DEFAULT_RETENTION_TIME,
            [(self.topic, places)],
        )
        await self.queries.ask_coordinator_once(self.group, request, self._look)
        for partition in commits.keys() & self.mine():
            self.positions.committed(partition, commits[partition])

    def _look(self, answer: Any) -> None:
        """Raise what the coordinator answers.

        While the group shares out anew nobody knows whose the partitions are. That passes: our
        membership is told as soon as it is settled.
        """
        codes = commit_codes(answer)
        if from_outside(codes):
            msg = "the group shares out anew"
            raise kafka.NodeNotReadyError(msg)
        raise_any(codes, self.group)
