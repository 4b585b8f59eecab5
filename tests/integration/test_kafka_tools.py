"""What other people's tools make of our records: kcat, and any Kafka client's partitioner."""

import asyncio
import subprocess
from collections.abc import Callable
from uuid import UUID

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from tests.kafka_logs import kafka_ports, kafka_section, kafka_target
from ugc_core.clock import SystemClock
from ugc_core.codec import EVENT_HEADERS, encode_event, log_key

CLOCK = SystemClock()


@pytest.fixture
def kcat(needs: Callable[[str], str]) -> str:
    """kcat's path."""
    return needs("kcat")


def consumed(kcat: str, servers: str, topic: str) -> list[bytes]:
    """Return key, headers and value of a topic's records, a line each."""
    command = [kcat, "-C", "-e", "-q", "-b", servers, "-t", topic, "-o", "beginning"]
    done = subprocess.run(
        [*command, "-f", "%k\\n%h\\n%s\\n"], capture_output=True, timeout=60, check=True
    )
    return done.stdout.splitlines()


async def test_kcat_reads_a_record_as_lines_of_json_with_its_key_and_headers(
    kafka, kcat, make_event
):
    section = kafka_section(kafka.url, partitions=1)
    events = [make_event(user=1, progress=float(second)) for second in (10, 20, 30)]
    lines = [encode_event(event) for event in events]
    key = log_key(events[0].user_id)
    async with kafka_ports(section, CLOCK) as log:
        await log.writer.append(key, lines, headers=EVENT_HEADERS)

    said = await asyncio.to_thread(consumed, kcat, kafka.servers, section.topic)

    assert said[0] == key
    assert set(said[1].split(b",")) == {b"schema_version=1", b"lines=3"}
    assert [msgspec.json.decode(line)["event_id"] for line in said[2:]] == [
        str(event.event_id) for event in events
    ]


async def test_another_client_s_keys_go_where_ours_go(kafka):
    section = kafka_section(kafka.url, partitions=8)
    keys = [log_key(UUID(int=number << 64 | number)) for number in range(64)]
    async with kafka_ports(section, CLOCK) as log:
        ours = [(await log.writer.append(key, [b"{}"])).partition for key in keys]
        producer = AIOKafkaProducer(bootstrap_servers=list(kafka_target(section).servers))
        async with producer:
            theirs = [
                (await producer.send_and_wait(section.topic, b"{}", key=key)).partition
                for key in keys
            ]

    assert ours == theirs
    assert len(set(ours)) > 1
