"""The rights that `infra/kafka/acls` gives, given to a broker of a test."""

import argparse
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from aiokafka.protocol.admin import CreateAclsRequest

from tests.kafka_logs import kafka_target
from ugc_core.adapters.kafka_queries import KafkaQueries
from ugc_core.settings import LogSection

SCRIPT = Path(__file__).parents[1] / "infra" / "kafka" / "acls"
_ALLOW, _LITERAL = 3, 3
_KINDS = {"topic": 2, "group": 3}
OPERATIONS = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Alter": 7,
    "Describe": 8,
    "DescribeConfigs": 10,
    "AlterConfigs": 11,
}
"""Kafka's own numbers for what may be done with a topic or a group."""


class Right(NamedTuple):
    """Who may do what with what."""

    principal: str
    operation: str
    kind: str
    name: str


def rights(folder: Path, settings: Mapping[str, str]) -> Sequence[Right]:
    """Return what the script tells Kafka's tool, for the topic and group of the settings."""
    tool, said = folder / "kafka-acls", folder / "said.txt"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {shlex.quote(str(said))}\n')
    tool.chmod(0o700)
    env = {"PATH": os.environ["PATH"], "KAFKA_ACLS": str(tool), **settings}
    command = ["sh", str(SCRIPT), "--bootstrap-server", "host:9092"]
    subprocess.run(command, env=env, check=True, timeout=30)
    return [right for line in said.read_text().splitlines() for right in _rights_in(line)]


def _rights_in(line: str) -> Iterator[Right]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    for name in ("--operation", "--topic", "--group"):
        parser.add_argument(name, action="append", default=[])
    found = parser.parse_args(line.split())
    for kind in _KINDS:
        for name in getattr(found, kind):
            for operation in found.operation:
                yield Right(found.allow_principal, operation, kind, name)


async def give(section: LogSection, wanted: Sequence[Right]) -> None:
    """Give these rights, as a user who may."""
    async with KafkaQueries.open(kafka_target(section), section) as queries:
        for right in wanted:
            request = CreateAclsRequest(
                _KINDS[right.kind],
                right.name,
                _LITERAL,
                right.principal,
                "*",
                OPERATIONS[right.operation],
                _ALLOW,
            )
            answer = await queries.ask(request, f"give {right}")
            assert not any(code for code, *_ in answer.creation_responses), answer
