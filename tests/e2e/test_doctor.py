"""`ugc doctor` on systems with something wrong: each fault is made for real, and named."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import pytest

from tests.e2e.systems import Ended, Up, start_up, ugc, until
from ugc_core.bootstrap import open_log_writer
from ugc_core.clock import SystemClock
from ugc_core.codec import EVENT_HEADERS, log_key
from ugc_core.settings import LogSection

FILM = "3d825f60-9fff-4dfe-b294-1a45fa1e115d"
USER = UUID("01900000-0000-7000-8000-00000000000b")
CHECKS = [
    *("settings", "secrets", "disk", "log", "topics", "log file", "warehouse", "tables", "api"),
    *("pipeline", "dead letters", "ledger", "erasures", "parts", "warehouse disk", "clocks"),
]
SICK = {
    "secrets": ("fail", r"token-secret can be read by others \(mode 644\)", r"chmod 600 "),
    "topics": ("fail", r"grow topic views, 4 -> 6 partitions", r"^ugc init$"),
    "tables": ("fail", r"resume_points_mv is missing", r"ugc init"),
    "pipeline": ("fail", r"nothing was committed for 1 s in partitions \d", r"ugc-etl\.log"),
    "dead letters": ("warn", r"1 is open", r"ugc dlq ls"),
    "ledger": ("fail", r"1 gaps: such as views\[\d\] offsets", r"ugc replay log --gaps"),
    "erasures": ("fail", r"1 were begun more than 10 min ago", rf"ugc forget {USER} --check"),
    "parts": ("warn", r"\d{3} in one partition of ingested", r"UGC_ETL__MAX_AGE_S"),
}
MANY_PARTS = """
    INSERT INTO ingested (topic, partition, first_offset, last_offset)
    SELECT 'parts', 0, number, number FROM numbers(320)
    SETTINGS max_block_size = 1, max_insert_block_size = 1, min_insert_block_size_rows = 1,
        min_insert_block_size_bytes = 1, max_insert_threads = 1
"""


def doctor(up: Up, *words: str, env: dict[str, str] | None = None) -> Ended:
    return ugc("doctor", "--data", str(up.data), *words, cwd=up.data.parent, env=env)


def checks(ended: Ended) -> dict[str, dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ended.out)["checks"]
    return {one["check"]: one for one in found}


def append(up: Up, line: bytes) -> None:
    async def write() -> None:
        section = LogSection(url=f"sqlite:///{up.data}/log.db")
        async with open_log_writer(section, section.topic, clock=SystemClock()) as writer:
            await writer.append(log_key(USER), [line], headers=EVENT_HEADERS)

    asyncio.run(write())


def settled(up: Up) -> bool:
    ended = ugc("status", "--json", "--data", str(up.data), cwd=up.data.parent)
    return bool(json.loads(ended.out)["pipeline"]["lag"] == 0)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A system that these tests may spoil, with some reports in it."""
    running = start_up(tmp_path_factory.mktemp("doctor") / "data")
    try:
        running.says("}")
        report = {"progress": 1, "total": 5400, "film_id": FILM}
        with running.client(USER) as client:
            items = client.post("/api/v1/progresses/", json=[report] * 5).json()["items"]
        running.stored([item["event_id"] for item in items])
        until(lambda: settled(running), "everything is committed")
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def healthy(own: Up) -> Ended:
    return doctor(own, "--deep", "--strict", "--json")


@pytest.fixture(scope="module")
def sick(own: Up, healthy: Ended) -> Iterator[Ended]:
    """Everything is broken at once; it is mended afterwards."""
    append(own, b"{no report}")
    until(lambda: settled(own), "the dead line is committed past")
    (own.data / "secrets" / "token-secret").chmod(0o644)
    own.rows("ALTER TABLE ingested DELETE WHERE dead = 0 SETTINGS mutations_sync = 2")
    own.rows("SYSTEM STOP MERGES ingested")
    own.rows(MANY_PARTS)
    own.rows(
        "INSERT INTO erasures (user_id, partition, offset, requested_at, erased_at)"
        f" SELECT '{USER}', 0, 0, 1000, 0"
    )
    etl = own.children()["ugc_etl"]
    etl.suspend()
    append(own, b"{no report either}")
    own.rows("DROP TABLE resume_points_mv SYNC")
    yield doctor(own, "--watch-pipeline", "1", "--json", env={"UGC_LOG__PARTITIONS": "6"})
    assert ugc("init", "--data", str(own.data), cwd=own.data.parent).code == 0
    etl.resume()
    own.rows("SYSTEM START MERGES ingested")
    own.rows("ALTER TABLE ingested DELETE WHERE topic = 'parts' SETTINGS mutations_sync = 2")
    own.rows("OPTIMIZE TABLE ingested FINAL")
    own.rows("ALTER TABLE erasures DELETE WHERE 1 SETTINGS mutations_sync = 2")
    (own.data / "secrets" / "token-secret").chmod(0o600)
    until(lambda: settled(own), "everything is committed")
    for words in (["dlq", "drop", "--yes"], ["replay", "log", "--gaps"]):
        ended = ugc(*words, "--data", str(own.data), cwd=own.data.parent)
        assert ended.code == 0, ended
    mended = doctor(own, "--strict")
    assert (mended.code, mended.err) == (0, "All is well.\n"), mended.out


def test_a_healthy_system_passes_every_check(healthy: Ended):
    assert healthy.code == 0, healthy.out
    assert json.loads(healthy.out)["ok"]
    found = checks(healthy)
    assert [*found] == CHECKS
    # How full the disk of this machine is, is not ours to say.
    assert {one["verdict"] for name, one in found.items() if "disk" not in name} == {"ok"}


def test_a_sick_system_ends_with_1(sick: Ended):
    assert sick.code == 1, sick.out
    assert not json.loads(sick.out)["ok"]


@pytest.mark.parametrize("name", SICK)
def test_what_is_wrong_is_named_with_the_next_command(sick: Ended, name: str):
    verdict, why, then = SICK[name]

    found = checks(sick)[name]

    assert found["verdict"] == verdict, found
    assert re.search(why, found["why"])
    assert re.search(then, found["next"])


def test_what_does_not_answer_ends_with_4_and_the_rest_is_looked_at(own: Up, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    env = {
        "UGC_LOG__URL": f"sqlite:///{tmp_path / 'none.db'}",
        "UGC_WAREHOUSE__URL": f"clickhouse://127.0.0.1:{port}/movies",
        "UGC_API__PORT": str(port),
        "UGC_DATA_DIR": str(tmp_path / "data"),
    }

    ended = ugc("doctor", "--json", cwd=tmp_path, env=env)

    assert ended.code == 4
    found = {name: one["verdict"] for name, one in checks(ended).items()}
    assert {found[name] for name in ("log", "warehouse", "api")} == {"unreachable"}
    assert {found[name] for name in ("topics", "tables", "pipeline", "ledger", "parts")} == {
        "skipped"
    }
    assert not (tmp_path / "none.db").exists()
    assert all(one["next"] for one in checks(ended).values() if one["verdict"] == "unreachable")


def test_a_damaged_log_is_found_by_a_deep_look(own: Up, tmp_path: Path):
    log = tmp_path / "log.db"
    with closing(apsw.Connection(str(own.data / "log.db"))) as source:
        source.execute("VACUUM INTO ?", (str(log),))
        [(page,)] = source.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'record'")
        size = int(source.pragma("page_size"))
    with log.open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 64)
    env = {
        "UGC_LOG__URL": f"sqlite:///{log}",
        "UGC_WAREHOUSE__URL": f"clickhouse://{own.welcome['clickhouse']}/movies",
        "UGC_WAREHOUSE__PASSWORD_FILE": str(own.data / "secrets" / "clickhouse-password"),
        "UGC_DATA_DIR": str(tmp_path / "data"),
    }

    ended = ugc("doctor", "--deep", "--json", cwd=tmp_path, env=env)

    found = checks(ended)["log file"]
    assert found["verdict"] == "fail", found
    assert "damaged" in found["why"]


def test_settings_that_cannot_be_read_end_with_5(tmp_path: Path):
    ended = ugc("doctor", cwd=tmp_path, env={"UGC_LOG__TOPIK": "views"})

    assert ended.code == 5
    assert "log.topik" in ended.out
    assert "ugc config show" in ended.out


def test_nothing_that_runs_ends_with_4_and_the_command_that_starts_it(tmp_path: Path):
    ended = ugc("doctor", "--json", cwd=tmp_path)

    assert ended.code == 4
    assert checks(ended)["settings"]["next"].startswith("ugc up --data")
