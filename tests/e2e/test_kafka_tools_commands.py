"""The operator's commands on a Kafka that wants TLS and a password, each program with its rights.

One system for all tests: every program signs in as a user of its own, which has the rights
that `infra/kafka/acls` gives and no others.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from harness.kafka import Brokers

from tests.e2e.systems import UGC, Ended, Running, ugc, until
from tests.e2e.test_kafka_system import KafkaSystem
from tests.integration.kafka_brokers import PASSWORD, USER, guarded_broker
from tests.integration.processes import ChdbServer
from tests.kafka_acls import give, rights
from tests.kafka_logs import require_kafka
from ugc_core.bootstrap import open_log_admin, open_log_writer
from ugc_core.clock import SystemClock
from ugc_core.codec import ERASURE_HEADERS, Erasure, encode_erasure, log_key
from ugc_core.log import Commit, Headers
from ugc_core.uuid7 import make_uuid7
from ugc_etl.adapters.log_dead_letters import LogDeadLetters
from ugc_etl.ports import DeadLetter

USERS = ("ugc-api", "ugc-etl", "ugc-cli", "ugc-init")
CHECKS = (
    *("log", "topics", "brokers", "copies", "warehouse", "tables"),
    *("api", "pipeline", "dead letters", "ledger"),
)
QUICK = {"UGC_LOG__CALL_TIMEOUT_S": "3"}
"""For what does not answer on purpose."""


class GuardedSystem(KafkaSystem):
    """A system whose programs sign in, each as itself."""

    def __init__(self, folder: Path, brokers: Brokers, warehouse: ChdbServer) -> None:
        super().__init__(folder, brokers, warehouse)
        self.brokers = brokers
        password = folder / "password"
        for path, text in ((password, PASSWORD), (folder / "wrong-password", "guessed")):
            path.write_text(text, "utf-8")
            path.chmod(0o600)
        authority = folder / "broker" / "ca.pem"
        self.env |= {
            "UGC_LOG__KAFKA__TLS": "true",
            "UGC_LOG__KAFKA__CA_PATH": str(authority),
            "UGC_LOG__KAFKA__SASL_MECHANISM": "PLAIN",
            "UGC_LOG__KAFKA__PASSWORD_FILE": str(password),
            "UGC_LOG__KAFKA__USER": "ugc-cli",
        }
        kafka = msgspec.structs.replace(
            self.section.kafka,
            tls=True,
            ca_path=authority,
            sasl_mechanism="PLAIN",
            user=USER,
            password=PASSWORD,
        )
        self.section = msgspec.structs.replace(self.section, kafka=kafka)

    def start(self, service: str, words: str) -> Running:
        name = f"{service}-{len(self.services)}"
        env = self.env | {"UGC_LOG__KAFKA__USER": f"ugc-{service}"}
        running = Running(arguments=[UGC, service], folder=self.folder / name, env=env)
        self.services.append(running)
        running.says(words)
        return running

    def told(self, *arguments: str, code: int = 0) -> Any:
        """Run a command to its end; return the document that it prints."""
        ended = self.run(*arguments, "--json")
        assert ended.code == code, ended
        return json.loads(ended.out)

    def but(self, *arguments: str, **changes: str) -> Ended:
        """Run a command with other settings."""
        return ugc(*arguments, cwd=self.folder, env=self.env | QUICK | changes)

    async def append(self, user: UUID, line: bytes, headers: Headers) -> None:
        async with open_log_writer(self.section, self.section.topic, clock=SystemClock()) as log:
            await log.append(log_key(user), [line], headers=headers)

    async def set_aside(self, letter: DeadLetter) -> None:
        name = self.section.dlq_topic
        async with open_log_writer(self.section, name, clock=SystemClock()) as box:
            await LogDeadLetters(box).put([letter])

    @property
    def etl(self) -> Running:
        """The pipeline that runs."""
        return self.services[-1]

    def settle(self) -> None:
        """Wait until everything is committed."""
        until(lambda: asyncio.run(self._lag()) == 0, "everything is committed", within_s=60)

    async def commits(self) -> Mapping[int, Commit]:
        """Return where the group stands."""
        async with open_log_admin(self.section) as admin:
            return await admin.committed_by(self.section.group, self.section.topic)

    async def _lag(self) -> int:
        commits = await self.commits()
        async with open_log_admin(self.section) as admin:
            ends = await admin.watermarks(self.section.topic)
        reached = {p: commits[p].offset if p in commits else one.low for p, one in ends.items()}
        return sum(one.high - reached[p] for p, one in ends.items())


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedSystem]:
    require_kafka()
    folder = tmp_path_factory.mktemp("tools")
    with ExitStack() as stack:
        warehouse = ChdbServer(folder / "warehouse")
        warehouse.start()
        stack.callback(warehouse.stop)
        brokers = stack.enter_context(guarded_broker(folder / "broker", others=USERS))
        system = GuardedSystem(folder, brokers, warehouse)
        stack.callback(system.stop)
        asyncio.run(give(system.section, rights(folder, system.env)))
        before = {"UGC_LOG__PARTITIONS": "2", "UGC_LOG__RETENTION_HOURS": "12"}
        for changes in (before, {}):  # what is there is changed the second time
            made = system.but("init", UGC_LOG__KAFKA__USER="ugc-init", **changes)
            assert made.code == 0, made
        system.start("api", "ugc-api ready")
        system.start("etl", "ugc-etl ready")
        user, film = uuid4(), uuid4()
        system.report(user, film, 1)
        system.settle()
        yield system


def checks(ended: Ended) -> dict[str, dict[str, str]]:
    return {one["check"]: one for one in json.loads(ended.out)["checks"]}


def test_a_healthy_system_passes_every_check(system):
    ended = system.run("doctor", "--json")

    found = checks(ended)
    assert ended.code == 0, ended
    assert {found[name]["verdict"] for name in CHECKS} == {"ok"}
    assert "all of 5 partitions' copies are in sync" in found["copies"]["why"]
    assert "ugc on 127.0.0.1 (partitions 0, 1, 2, 3)" in found["pipeline"]["why"]


def test_status_names_who_reads_and_what_is_at_work(system):
    told = system.told("status")

    [member] = told["pipeline"]["members"]
    assert (member["client"], member["host"]) == ("ugc", "127.0.0.1")
    assert (member["partitions"], member["lease_s"]) == ([0, 1, 2, 3], 2.0)
    assert member["name"].startswith("ugc-")
    produce = told["log"]["apis"]["produce"]
    assert produce["lowest"] <= produce["spoken"] <= produce["highest"]
    assert re.match(r"kafka \(tells no version; APIs: produce \d+ of", told["versions"]["log"])
    assert told["versions"]["log_client"].startswith("aiokafka ")
    assert all(told["versions"][name] for name in ("ugc", "clickhouse"))


def test_what_is_archived_is_read_back_as_the_same_reports(system, tmp_path):
    user, film = uuid4(), uuid4()
    sent = {system.report(user, film, second) for second in (10, 20, 30)}
    until(lambda: sent <= system.stored(), "the reports are stored")
    system.settle()

    archived = system.told("archive", str(tmp_path / "archive"))
    before = system.stored()
    files = [str(path) for path in (tmp_path / "archive").glob("*.parquet")]
    replayed = system.told("replay", "file", *files)
    system.settle()

    assert archived["lines"] == replayed["accepted"] == len(before)
    assert system.stored() == before


def test_a_dead_letter_is_listed_shown_and_redriven(system):
    user, event = uuid4(), make_uuid7(SystemClock().wall_ms())
    line = {"event_id": event, "user_id": user, "film_id": uuid4(), "progress": 5, "total": 5400}
    now = {"viewed_at": SystemClock().wall_ms(), "received_at": SystemClock().wall_ms()}
    letter = DeadLetter(
        topic=system.section.topic,
        partition=0,
        offset=10_000,
        line=0,
        reason="an older version could not read it",
        payload=msgspec.json.encode(line | now),
        schema_version="1",
    )
    asyncio.run(system.set_aside(letter))

    listed = system.told("dlq", "ls")
    shown = system.told("dlq", "show", listed["key"])
    redriven = system.told("dlq", "redrive", listed["key"])

    assert shown["reason"] == letter.reason
    assert (redriven["redriven"], redriven["stay"]) == (1, 0)
    until(lambda: event in system.stored(), "its report is stored")
    assert not system.run("dlq", "ls", "--json").out


def test_a_group_that_is_read_is_not_moved_and_its_reader_is_named(system):
    before = asyncio.run(system.commits())

    ended = system.run("offsets", "reset", "--to", "earliest", "--yes")
    planned = system.run("offsets", "reset", "--to", "earliest", "--dry-run")

    assert (ended.code, ended.out) == (5, "")
    assert "ugc on 127.0.0.1 (partitions 0, 1, 2, 3)" in ended.err
    assert "forgotten after 2 s" in ended.err
    assert planned.code == 0, planned
    assert "stored again, which is harmless" in planned.err
    assert asyncio.run(system.commits()) == before


def test_skipped_records_are_a_gap_until_they_are_replayed_and_repeats_change_nothing(system):
    assert system.etl.end() == 0
    user, film = uuid4(), uuid4()
    skipped = {system.report(user, film, second) for second in (10, 20)}
    erasure = Erasure(user_id=uuid4(), requested_at=SystemClock().wall_ms())
    asyncio.run(system.append(erasure.user_id, encode_erasure(erasure), ERASURE_HEADERS))

    refused = system.run("offsets", "reset", "--to", "latest")
    forward = system.told("offsets", "reset", "--to", "latest", "--yes")
    gap = system.run("verify")
    commits = asyncio.run(system.commits())

    assert refused.code == 2
    assert "1 of them ask to forget users" in refused.err
    moves = [one["skipped"] for one in forward["moves"]]
    assert sum(one["lines"] for one in moves) == 3
    assert sum(one["erasures"] for one in moves) == 1
    assert gap.code == 3
    assert "gap" in gap.out + gap.err
    assert not any(commit.metadata for commit in commits.values())

    assert system.run("replay", "log", "--gaps").code == 0
    assert skipped <= system.stored()
    stored = system.stored()
    back = system.told("offsets", "reset", "--to", "earliest", "--yes")
    assert sum(one["repeated"] for one in back["moves"]) > 0
    system.start("etl", "ugc-etl ready")
    system.settle()
    assert system.stored() == stored
    verified = system.run("verify", "--deep")
    assert verified.code == 0, verified


@pytest.mark.parametrize(
    ("changes", "check", "why"),
    [
        ({"USER": USER, "TOPIC": "other"}, "topics", "create topic other, 4 partitions"),
        ({"REPLICATION": "3"}, "topics", "has 1 copies of a partition and should have 3"),
        ({"PASSWORD_FILE": "wrong-password"}, "log", "refused to sign us in"),
        ({"USER": "stranger"}, "log", "kafka-acls.sh"),
    ],
    ids=["topic", "copies", "password", "rights"],
)
def test_what_is_wrong_is_named(system, changes, check, why):
    where = {"TOPIC": "UGC_LOG__"}
    named = {f"{where.get(name, 'UGC_LOG__KAFKA__')}{name}": v for name, v in changes.items()}

    ended = system.but("doctor", "--json", "--watch-pipeline", "0", **named)

    found = checks(ended)
    assert ended.code == 1, ended
    assert found[check]["verdict"] == "fail"
    assert why in found[check]["why"]
    assert found[check]["next"]
    if check == "log":
        assert found["ledger"]["verdict"] == "skipped"


def test_a_stopped_broker_is_unreachable_for_every_command_and_harms_nothing(system):
    before = system.stored()
    system.brokers[1].stop()
    commands = (["doctor", "--json"], ["status", "--json"], ["offsets", "show"])
    try:
        with ThreadPoolExecutor() as pool:
            examined, told, offsets = pool.map(lambda words: system.but(*words), commands)
    finally:
        system.brokers.mend()

    found = checks(examined)
    assert (examined.code, told.code, offsets.code) == (4, 4, 4)
    assert found["log"]["verdict"] == "unreachable"
    assert "see that the brokers run" in found["log"]["next"]
    later = ("topics", "brokers", "copies", "pipeline")
    assert {found[name]["verdict"] for name in later} == {"skipped"}
    status = json.loads(told.out)
    assert {status[part]["state"] for part in ("log", "pipeline")} == {"down"}
    assert status["warehouse"]["state"] == "ok"
    system.settle()
    assert system.stored() == before
