"""Topics of a Kafka cluster: what is there, what should be, and the way from one to the other."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from aiokafka import errors as kafka
from aiokafka.protocol.admin import (
    AlterConfigsRequest,
    CreatePartitionsRequest,
    CreateTopicsRequest,
)

from ugc_core.adapters.kafka_client import translated, within
from ugc_core.adapters.kafka_queries import KafkaRole, checked
from ugc_core.adapters.kafka_topics import (
    TOPIC,
    TopicFound,
    find_topics,
    plan_kafka_topics,
    wanted_configs,
)
from ugc_core.errors import ConfigError, LogUnavailableError
from ugc_core.log import ChangeKind, Commit, LogAdmin, Topic, TopicChange, Watermarks


class KafkaLogAdmin(KafkaRole):
    """Looks after the topics of a cluster."""

    async def plan(self, topics: Sequence[Topic]) -> Sequence[TopicChange]:
        """Compare.

        Raises:
            ConfigError: A topic would lose partitions, has another number of copies, or the
                settings contradict each other.
        """
        names = [topic.name for topic in topics]
        there = await find_topics(self._queries, names)
        return plan_kafka_topics(there, topics, self._settings.kafka)

    async def apply(self, changes: Sequence[TopicChange]) -> None:
        """Change one topic after the other, and wait until the brokers know of it."""
        for change in changes:
            if change.kind is ChangeKind.CREATE:
                await self._create(change.topic)
            else:
                await self._change(change.topic)
            await self._settled(change.topic)

    async def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        """Return the ends."""
        return await self._queries.ends(topic)

    async def offsets_at(self, topic: str, at_ms: int) -> Mapping[int, int]:
        """Search."""
        return await self._queries.offsets_at(topic, at_ms)

    async def committed_by(self, group: str, topic: str) -> Mapping[int, Commit]:
        """Return what a group committed."""
        partitions = await self._queries.partitions(topic)
        return await self._queries.commits(group, topic, partitions) if partitions else {}

    async def _create(self, topic: Topic) -> None:
        configs = [*wanted_configs(topic, self._settings.kafka).items()]
        copies = self._settings.kafka.replication
        wanted: list[Any] = [(topic.name, topic.partitions, copies, [], configs)]
        request = CreateTopicsRequest(wanted, self._timeout_ms, validate_only=False)
        what = f"create topic {topic.name}"
        errors = checked((await self._queries.ask(request, what)).topic_errors)
        error = errors.get(topic.name)
        if isinstance(error, kafka.InvalidReplicationFactorError):
            msg = (
                f"{what}: there are fewer brokers than copies ({error}); start more, or set"
                " UGC_LOG__KAFKA__REPLICATION=1 and UGC_LOG__KAFKA__MIN_INSYNC_REPLICAS=1"
                " where losing a disk may lose reports"
            )
            raise ConfigError(msg)
        if error is not None and not isinstance(error, kafka.TopicAlreadyExistsError):
            raise translated(error, what)

    async def _change(self, topic: Topic) -> None:
        """Bring partitions and settings to what they should be."""
        there = (await find_topics(self._queries, [topic.name])).get(topic.name)
        if there is None:
            msg = f"topic {topic.name} has gone since the plan was made; plan again"
            raise LogUnavailableError(msg)
        if topic.partitions > there.partitions:
            await self._grow(topic)
        await self._configure(topic, there)

    async def _grow(self, topic: Topic) -> None:
        wanted = [(topic.name, (topic.partitions, None))]
        request = CreatePartitionsRequest(wanted, self._timeout_ms, validate_only=False)
        what = f"grow topic {topic.name}"
        errors = checked((await self._queries.ask(request, what)).topic_errors)
        if topic.name in errors:
            raise translated(errors[topic.name], what)

    async def _configure(self, topic: Topic, there: TopicFound) -> None:
        """Set our settings and repeat the topic's others: a request resets what it leaves out."""
        configs = there.own | wanted_configs(topic, self._settings.kafka)
        request = AlterConfigsRequest([(TOPIC, topic.name, [*configs.items()])])
        what = f"configure topic {topic.name}"
        response = await self._queries.ask(request, what)
        answers = [(name, code, message) for code, message, _, name in response.resources]
        errors = checked(answers)
        if topic.name in errors:
            raise translated(errors[topic.name], what)

    async def _settled(self, topic: Topic) -> None:
        """Wait until every partition has a leader and the settings are in force."""
        what = f"wait for topic {topic.name}"
        await within(self._settings.call_timeout_s, what, partial(self._led, topic))
        await within(self._settings.call_timeout_s, what, partial(self._in_force, topic))

    async def _led(self, topic: Topic, _: int) -> None:
        for node in self._queries.nodes():
            leaders = await self._queries.partitions(topic.name, node=node)
            if len(leaders) < topic.partitions or min(leaders.values()) < 0:
                raise kafka.LeaderNotAvailableError(topic.name)

    async def _in_force(self, topic: Topic, _: int) -> None:
        """See that a broker tells the settings that it was given: it learns of them later."""
        there = (await find_topics(self._queries, [topic.name])).get(topic.name)
        wanted = wanted_configs(topic, self._settings.kafka)
        if there is None or not wanted.items() <= there.configs.items():
            msg = f"the settings of {topic.name} are not in force yet"
            raise kafka.NodeNotReadyError(msg)

    @property
    def _timeout_ms(self) -> int:
        return round(self._settings.call_timeout_s * 1000)


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _admin: type[LogAdmin] = KafkaLogAdmin
