"""The same programs on Kafka: other URLs, the same promises."""

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from clickhouse_driver import Client
from harness.kafka import Brokers

from tests.e2e.systems import UGC, Ended, Running, ugc, until
from tests.integration.processes import ChdbServer
from tests.kafka_logs import kafka_section
from ugc_cli.local_ports import claim
from ugc_cli.tokens import Claims, mint
from ugc_core.api_settings import AuthSection
from ugc_core.bootstrap import open_log_writer
from ugc_core.clock import SystemClock
from ugc_core.codec import log_key

SECRET = "a secret of this test, long enough for HS256"


class KafkaSystem:
    """A broker, a warehouse, and our services as processes of their own."""

    def __init__(self, folder: Path, brokers: Brokers, warehouse: ChdbServer) -> None:
        section = self.section = kafka_section(brokers.url)
        self.folder = folder
        self.warehouse = warehouse
        self.port = claim("127.0.0.1", 0, option="--port", what="the API")
        self.env = {
            "UGC_LOG__URL": section.url,
            "UGC_LOG__TOPIC": section.topic,
            "UGC_LOG__GROUP": section.group,
            "UGC_LOG__KAFKA__REPLICATION": "1",
            "UGC_LOG__KAFKA__MIN_INSYNC_REPLICAS": "1",
            "UGC_LOG__KAFKA__SESSION_TIMEOUT_S": "2",
            "UGC_WAREHOUSE__URL": f"clickhouse://127.0.0.1:{warehouse.port}/kafka_system",
            "UGC_AUTH__SECRET": SECRET,
            "UGC_API__PORT": str(self.port),
            "UGC_ETL__MAX_AGE_S": "0.05",
        }
        self.services: list[Running] = []

    def run(self, *arguments: str) -> Ended:
        """Run a command to its end."""
        return ugc(*arguments, cwd=self.folder, env=self.env)

    def start(self, service: str, words: str) -> Running:
        """Start a service, and wait until it says so."""
        name = f"{service}-{len(self.services)}"
        running = Running(arguments=[UGC, service], folder=self.folder / name, env=self.env)
        self.services.append(running)
        running.says(words)
        return running

    def stop(self) -> None:
        for service in self.services:
            if service.process.poll() is None:
                service.end()

    def report(self, user: UUID, film: UUID, progress: int) -> UUID:
        """Report a playhead; return the event id."""
        token = mint(
            Claims(user_id=user), AuthSection(secret=SECRET), now_ms=SystemClock().wall_ms()
        )
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/api/v1/progresses/films/{film}/",
            json={"progress": progress, "total": 5400},
            headers={"Authorization": f"Bearer {token}"},
            timeout=15,
        )
        assert answer.status_code == 202, answer.text
        return UUID(answer.json()["event_id"])

    async def put_poison(self, user: UUID) -> None:
        """Append a line that is no report, and names a user."""
        async with open_log_writer(self.section, self.section.topic, clock=SystemClock()) as log:
            await log.append(log_key(user), [b'{"user_id": "%s"}' % str(user).encode()])

    def stored(self) -> set[UUID]:
        client = Client("127.0.0.1", port=self.warehouse.port, database="kafka_system")
        try:
            return {row[0] for row in client.execute("SELECT event_id FROM views")}
        finally:
            client.disconnect()


@pytest.fixture
def system(tmp_path: Path, kafka: Brokers) -> Iterator[KafkaSystem]:
    with ExitStack() as stack:
        warehouse = ChdbServer(tmp_path / "warehouse")
        warehouse.start()
        stack.callback(warehouse.stop)
        system = KafkaSystem(tmp_path, kafka, warehouse)
        stack.callback(system.stop)
        yield system


def prepare(system: KafkaSystem) -> None:
    """Plan, apply, and see that nothing is left to do."""
    planned = system.run("init", "--plan", "--json")
    assert planned.code == 0, planned.err
    assert "create topic" in json.loads(planned.out)["steps"][0]["summary"]
    assert system.run("init").code == 0
    assert "Nothing to do" in system.run("init").err


def test_reports_come_through_kafka_once_while_the_pipeline_is_killed(system):
    prepare(system)
    system.start("api", "ugc-api ready")
    etl = system.start("etl", "ugc-etl ready")
    users, film = [uuid4() for _ in range(12)], uuid4()
    accepted = [system.report(user, film, n) for n in range(3) for user in users]

    etl.end(signal.SIGKILL)
    accepted += [system.report(user, film, 100 + n) for n in range(3) for user in users]
    first = system.start("etl", "ugc-etl ready")
    system.start("etl", "ugc-etl ready")  # the group shares out between two
    accepted += [system.report(user, film, 200) for user in users]
    assert first.end() == 0
    accepted += [system.report(user, film, 300) for user in users]

    until(lambda: system.stored() == set(accepted), "all are stored, and nothing else")
    verified = system.run("verify", "--deep", "--wait", "20", "--json")
    assert verified.code == 0, verified.out + verified.err
    assert json.loads(verified.out)["ok"]
    status = json.loads(system.run("status", "--json").out)
    parts = ("api", "log", "pipeline", "warehouse")
    assert {part: status[part]["state"] for part in parts} == dict.fromkeys(parts, "ok")
    assert status["pipeline"]["lag"] == 0
    traced = system.run("trace", str(accepted[0]), "--json")
    assert traced.code == 0, traced.err
    replayed = system.run("replay", "log", "--all", "--json")
    assert replayed.code == 0, replayed.err

    forget(system, users[0])

    assert system.stored() == {e for n, e in enumerate(accepted) if n % len(users)}


def forget(system: KafkaSystem, user: UUID) -> None:
    """Forget a user whom a dead letter names; the proof has to say when Kafka drops it."""
    asyncio.run(system.put_poison(user))
    until(lambda: json.loads(system.run("dlq", "ls", "--json").out), "there is a dead letter")

    forgotten = system.run("forget", str(user), "--yes", "--json")

    assert forgotten.code == 0, forgotten.out + forgotten.err
    proof = json.loads(forgotten.out)
    assert proof["dead_letters"] == 1
    letters_end, copies_end = (
        datetime.fromisoformat(proof[name]) for name in ("dead_letters_until", "log_copies_until")
    )
    # Kafka keeps the newest record for a day, its file for an hour more, and sweeps now and then.
    assert timedelta(hours=25) < letters_end - datetime.now(UTC) < timedelta(hours=25.2)
    assert letters_end <= copies_end
    told = system.run("forget", str(user), "--check")
    assert told.code == 0, told.err
    assert f"by {letters_end:%Y-%m-%d %H:%M} UTC" in told.err
