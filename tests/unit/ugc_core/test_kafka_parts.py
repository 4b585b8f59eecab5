"""The decisions behind the Kafka adapter that need no broker."""

from pathlib import Path

import msgspec
import pytest
from aiokafka import errors as kafka

from ugc_core.adapters.kafka_client import connection, translated
from ugc_core.adapters.kafka_topics import TopicFound, plan_kafka_topics, wanted_configs
from ugc_core.adapters.kafka_watchdog import Watchdog
from ugc_core.errors import ConfigError, LogUnavailableError
from ugc_core.log import ChangeKind, Topic, Watermarks
from ugc_core.log_rules import gone_after_ms, segment_ms
from ugc_core.settings import KafkaSection, LogSection
from ugc_core.urls import KafkaLogTarget

HOUR_MS = 3_600_000
TARGET = KafkaLogTarget(servers=("h1:9092", "h2:9092"))
VIEWS = Topic(name="views", partitions=4, retention_ms=HOUR_MS)


def section(**changes: object) -> LogSection:
    return LogSection(kafka=msgspec.structs.replace(KafkaSection(), **changes))


def test_without_more_settings_connections_are_plain():
    found = connection(TARGET, section(), timeout_s=2.5)

    assert found["bootstrap_servers"] == ["h1:9092", "h2:9092"]
    assert (found["security_protocol"], found["request_timeout_ms"]) == ("PLAINTEXT", 2500)
    assert "ssl_context" not in found


@pytest.mark.parametrize(
    ("changes", "protocol"),
    [
        ({"tls": True}, "SSL"),
        ({"sasl_mechanism": "PLAIN", "user": "u", "password": "p"}, "SASL_PLAINTEXT"),
        (
            {"tls": True, "sasl_mechanism": "SCRAM-SHA-256", "user": "u", "password": "p"},
            "SASL_SSL",
        ),
    ],
)
def test_tls_and_signing_in_make_the_protocol(changes, protocol):
    assert connection(TARGET, section(**changes), timeout_s=1)["security_protocol"] == protocol


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sasl_mechanism": "PLAIN"}, "UGC_LOG__KAFKA__PASSWORD_FILE"),
        ({"user": "u"}, "UGC_LOG__KAFKA__SASL_MECHANISM"),
        ({"ca_path": Path("ca.pem")}, "UGC_LOG__KAFKA__TLS=true"),
        ({"tls": True, "ca_path": Path("/nowhere/ca.pem")}, "/nowhere/ca.pem"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        connection(TARGET, section(**changes), timeout_s=1)


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (kafka.SaslAuthenticationFailed("no"), ConfigError, "UGC_LOG__KAFKA__PASSWORD_FILE"),
        (kafka.TopicAuthorizationFailedError("views"), ConfigError, "kafka-acls"),
        (kafka.UnknownTopicOrPartitionError(), LogUnavailableError, "ugc init"),
        (ConnectionRefusedError("refused"), LogUnavailableError, "refused"),
    ],
)
def test_an_error_says_what_to_do_next(error, expected, words):
    found = translated(error, "append")

    assert type(found) is expected
    assert words in str(found)


def found(partitions: int = 4, replicas: int = 3, **changes: str) -> TopicFound:
    configs = wanted_configs(VIEWS, KafkaSection()) | {
        name.replace("_", "."): value for name, value in changes.items()
    }
    return TopicFound(partitions=partitions, replicas=replicas, configs=configs, own=configs)


def plan(there: dict[str, TopicFound]):
    return [
        (change.kind, change.summary)
        for change in plan_kafka_topics(there, [VIEWS], KafkaSection())
    ]


def test_a_topic_as_it_should_be_needs_nothing():
    assert plan({"views": found()}) == []


@pytest.mark.parametrize(
    ("there", "kind", "words"),
    [
        ({}, ChangeKind.CREATE, "4 partitions, 3 copies, 2 in sync"),
        ({"views": found(partitions=2)}, ChangeKind.GROW, "2 -> 4"),
        ({"views": found(retention_ms="5")}, ChangeKind.RETAIN, "keep records of topic views"),
        ({"views": found(min_insync_replicas="1")}, ChangeKind.CONFIGURE, "=2 (is 1)"),
        ({"views": found(cleanup_policy="compact")}, ChangeKind.CONFIGURE, "(is compact)"),
        ({"views": found(segment_ms="604800000")}, ChangeKind.CONFIGURE, "segment.ms=900000 (is"),
    ],
)
def test_what_differs_is_planned(there, kind, words):
    [(planned, summary)] = plan(there)

    assert planned is kind
    assert words in summary


@pytest.mark.parametrize(
    ("retention_ms", "segment", "gone"),
    [
        (24 * HOUR_MS, HOUR_MS, 25.1 * HOUR_MS),
        (HOUR_MS, HOUR_MS / 4, 1.35 * HOUR_MS),
        (1, 1, 360_002),
    ],
)
def test_a_record_is_gone_soon_after_its_retention(retention_ms, segment, gone):
    assert segment_ms(retention_ms) == segment
    assert gone_after_ms(retention_ms) == gone


def test_too_few_copies_are_refused():
    with pytest.raises(ConfigError, match="UGC_LOG__KAFKA__REPLICATION=1"):
        plan({"views": found(replicas=1)})


ENDS = {0: Watermarks(low=0, high=9), 1: Watermarks(low=0, high=5)}


def test_a_partition_that_stands_still_with_more_to_read_is_stuck():
    watchdog = Watchdog(stuck_s=30, rebalance_s=60)

    assert watchdog.stuck({0: 3, 1: 5}, ENDS, now=0) is None
    assert watchdog.stuck({0: 3, 1: 5}, ENDS, now=29) is None
    assert watchdog.stuck({0: 3, 1: 5}, ENDS, now=31) == 0


def test_one_that_moves_or_is_at_the_end_is_not():
    watchdog = Watchdog(stuck_s=30, rebalance_s=60)
    watchdog.stuck({0: 3, 1: 5}, ENDS, now=0)

    assert watchdog.stuck({0: 4, 1: 5}, ENDS, now=40) is None
    watchdog.moved([0], now=60)
    assert watchdog.stuck({0: 4, 1: 5}, ENDS, now=80) is None


def test_the_log_is_looked_at_now_and_then():
    watchdog = Watchdog(stuck_s=30, rebalance_s=60)

    assert [watchdog.due(now) for now in (0, 5, 10, 11, 20)] == [True, False, True, False, True]
    assert not watchdog.waits_too_long(since=None, now=1000)
    assert not watchdog.waits_too_long(since=10, now=90)
    assert watchdog.waits_too_long(since=10, now=101)
