"""`infra/kafka` agrees with itself, with what the product sets, and with Kafka."""

import re
from pathlib import Path

from aiokafka.protocol.admin import DescribeConfigsRequest

from tests.infra.conftest import ROOT
from tests.kafka_acls import Right, rights
from tests.kafka_logs import kafka_section, kafka_target
from ugc_core.adapters.kafka_queries import KafkaQueries
from ugc_core.adapters.kafka_topics import wanted_configs
from ugc_core.bootstrap import topics
from ugc_core.settings import LogSection

HERE = ROOT / "infra" / "kafka"
README = (HERE / "README.md").read_text("utf-8")
BROKER = 4
"""How Kafka's protocol names a broker among the things that can be configured."""


def server_settings() -> dict[str, str]:
    lines = (HERE / "server.properties").read_text("utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def cells(first: str) -> list[str]:
    """Return a row of the README's tables, by the text of its first cell."""
    row = re.search(rf"^\| `{re.escape(first)}` \|(.*)\|$", README, re.MULTILINE)
    assert row, first
    return [cell.strip() for cell in row[1].split("|")]


def test_a_broker_is_told_what_the_defaults_of_our_settings_need():
    found, ours = server_settings(), LogSection().kafka

    assert found["min.insync.replicas"] == str(ours.min_insync_replicas)
    assert found["default.replication.factor"] == str(ours.replication)
    assert found["offsets.topic.replication.factor"] == str(ours.replication)
    assert found["unclean.leader.election.enable"] == "false"
    assert found["auto.create.topics.enable"] == "false"


def test_positions_outlive_the_records(compose):
    kept_h = int(server_settings()["offsets.retention.minutes"]) / 60
    composed = int(compose["services"]["etl"]["environment"]["UGC_LOG__RETENTION_HOURS"])

    assert kept_h > 2 * max(LogSection().retention_hours, composed)


def test_every_setting_has_its_reason_in_the_readme():
    reasons = README.split("## Broker settings")[1].split("## Topic settings")[0].splitlines()
    for name, value in server_settings().items():
        [row] = [line for line in reasons if line.startswith("|") and f"`{name}`" in line]
        assert value in row


def test_the_readme_has_what_init_sets_on_the_topics():
    section = LogSection()
    views, letters = topics(section)

    for name in wanted_configs(views, section.kafka):
        cells(name)
    assert cells("max.message.bytes")[:2] == [
        f"{topic.max_record_bytes >> 20} MiB" for topic in (views, letters)
    ]
    assert cells("retention.ms")[0] == f"{section.retention_hours} h"
    assert cells("min.insync.replicas")[0] == str(section.kafka.min_insync_replicas)


def test_the_script_gives_the_rights_of_the_readme_for_the_default_names(tmp_path: Path):
    section = LogSection()
    columns = [("topic", section.topic), ("topic", section.dlq_topic), ("group", section.group)]
    listed: set[Right] = set()
    for user in ("ugc-api", "ugc-etl", "ugc-cli", "ugc-init"):
        _, *granted = cells(user)
        for (kind, name), cell in zip(columns, granted, strict=True):
            words = granted[0] if cell == "the same" else cell
            for operation in filter(None, words.split(", ")):
                listed.add(Right(f"User:{user}", operation, kind, name))

    assert set(rights(tmp_path, {})) == listed


async def test_kafka_knows_every_setting(kafka):
    section = kafka_section(kafka.url)
    async with KafkaQueries.open(kafka_target(section), section) as queries:
        [node] = queries.nodes()
        request = DescribeConfigsRequest([(BROKER, str(node), None)])
        answer = await queries.ask(request, "settings of the broker", node=node)

    [(*_, entries)] = answer.resources
    assert server_settings().keys() <= {entry[0] for entry in entries}
