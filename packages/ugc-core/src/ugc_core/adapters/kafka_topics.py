"""What a Kafka topic looks like, what it should look like, and the plan between the two."""

from collections.abc import Mapping, Sequence

from aiokafka.protocol.admin import DescribeConfigsRequest
from msgspec import Struct
from msgspec.structs import replace

from ugc_core.adapters.kafka_queries import KafkaQueries, checked
from ugc_core.errors import ConfigError
from ugc_core.log import ChangeKind, Topic, TopicChange
from ugc_core.log_rules import plan_topics, segment_ms
from ugc_core.settings import KafkaSection

TOPIC = 2
"""How Kafka's protocol names a topic among the things that can be configured."""
_SET_ON_TOPIC = 1
_RETENTION = "retention.ms"


class TopicFound(Struct, frozen=True, kw_only=True):
    """A topic as it is.

    Attributes:
        partitions: How many.
        replicas: Fewest copies that a partition of it has.
        configs: Every setting in force, by its name.
        own: Those that were set on the topic itself.
    """

    partitions: int
    replicas: int
    configs: Mapping[str, str]
    own: dict[str, str]


def wanted_configs(topic: Topic, section: KafkaSection) -> dict[str, str]:
    """Return the settings that a topic needs; all others are the operator's."""
    return {
        "cleanup.policy": "delete",
        "max.message.bytes": str(topic.max_record_bytes),
        "min.insync.replicas": str(section.min_insync_replicas),
        _RETENTION: str(topic.retention_ms),
        "segment.ms": str(segment_ms(topic.retention_ms)),
    }


async def find_topics(queries: KafkaQueries, names: Sequence[str]) -> dict[str, TopicFound]:
    """Describe those of the topics that are there."""
    response = await queries.metadata(names)
    found = {topic: partitions for code, topic, _, partitions in response.topics if not code}
    if not found:
        return {}
    request = DescribeConfigsRequest([(TOPIC, name, None) for name in found])
    described = (await queries.ask(request, "settings of topics")).resources
    for error in checked((name, code, text) for code, text, _, name, _ in described).values():
        raise error
    topics: dict[str, TopicFound] = {}
    for _, _, _, name, entries in described:
        configs = {entry[0]: entry[1] or "" for entry in entries}
        own = {entry[0]: entry[1] or "" for entry in entries if entry[3] == _SET_ON_TOPIC}
        copies = min(len(replicas) for _, _, _, replicas, *_ in found[name])
        topics[name] = TopicFound(
            partitions=len(found[name]), replicas=copies, configs=configs, own=own
        )
    return topics


def plan_kafka_topics(
    there: Mapping[str, TopicFound], wanted: Sequence[Topic], section: KafkaSection
) -> list[TopicChange]:
    """Return the steps from what is there to what is wanted; one for each topic.

    Raises:
        ConfigError: A topic would lose partitions, has fewer copies than it should, or the
            settings contradict each other.
    """
    if section.min_insync_replicas > section.replication:
        msg = (
            f"log.kafka.min_insync_replicas is {section.min_insync_replicas}, but there are only"
            f" {section.replication} copies (log.kafka.replication): nothing could be written"
        )
        raise ConfigError(msg)
    for topic in wanted:
        _check_copies(topic.name, there.get(topic.name), section)
    found = {
        name: Topic(
            name=name, partitions=topic.partitions, retention_ms=int(topic.configs[_RETENTION])
        )
        for name, topic in there.items()
    }
    changes = [_described(change, section) for change in plan_topics(found, wanted)]
    planned = {change.topic.name for change in changes}
    rest = [topic for topic in wanted if topic.name in there and topic.name not in planned]
    return changes + [
        TopicChange(kind=ChangeKind.CONFIGURE, topic=topic, summary=summary)
        for topic in rest
        if (summary := _drift(topic, there[topic.name], section))
    ]


def _described(change: TopicChange, section: KafkaSection) -> TopicChange:
    """Say what Kafka does: it keeps from the append on, and it keeps copies."""
    if change.kind is ChangeKind.RETAIN:
        hours = change.topic.retention_ms / 3_600_000
        summary = f"keep records of topic {change.topic.name} for {hours:g} h"
        return replace(change, summary=summary)
    if change.kind is ChangeKind.CREATE and section.replication > 1:
        copies = f"{section.replication} copies, {section.min_insync_replicas} in sync"
        return replace(change, summary=f"{change.summary}, {copies}")
    return change


def _drift(topic: Topic, found: TopicFound, section: KafkaSection) -> str:
    differing = [
        f"{name}={value} (is {found.configs.get(name, 'unset')})"
        for name, value in wanted_configs(topic, section).items()
        if found.configs.get(name) != value
    ]
    return f"set on topic {topic.name}: {', '.join(differing)}" if differing else ""


def _check_copies(name: str, found: TopicFound | None, section: KafkaSection) -> None:
    if found is None or found.replicas >= section.replication:
        return
    msg = (
        f"topic {name} has {found.replicas} copies of a partition and should have"
        f" {section.replication}; add them with kafka-reassign-partitions.sh, or accept what is"
        f" there with UGC_LOG__KAFKA__REPLICATION={found.replicas}"
    )
    raise ConfigError(msg)
