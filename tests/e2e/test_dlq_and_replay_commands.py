"""`ugc dlq` and `ugc replay` on a system that runs: what they print, and how they end."""

import asyncio
import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.e2e.systems import UGC, Ended, Running, Up, ugc, until
from ugc_core.bootstrap import open_log_writer
from ugc_core.clock import SystemClock
from ugc_core.codec import EVENT_HEADERS, log_key
from ugc_core.log import Headers
from ugc_core.settings import LogSection
from ugc_core.uuid7 import make_uuid7

USER = UUID("01900000-0000-7000-8000-00000000000d")
FILM = "3d825f60-9fff-4dfe-b294-1a45fa1e115d"
Keep = Callable[[Running], Running]


def command(up: Up, *words: str) -> Ended:
    return ugc(*words, "--data", str(up.data), cwd=up.data.parent)


def answer(up: Up, *words: str, code: int = 0) -> Any:
    ended = command(up, *words, "--json")
    assert ended.code == code, ended
    return json.loads(ended.out)


def letters(up: Up, *words: str) -> list[dict[str, Any]]:
    ended = command(up, "dlq", "ls", "--json", *words)
    assert ended.code == 0, ended
    return [json.loads(line) for line in ended.out.splitlines()]


def append(up: Up, line: bytes, headers: Headers = EVENT_HEADERS) -> None:
    """Write to the log as no API of ours would."""

    async def write() -> None:
        section = LogSection(url=f"sqlite:///{up.data}/log.db")
        async with open_log_writer(section, section.topic, clock=SystemClock()) as writer:
            await writer.append(log_key(USER), [line], headers=headers)

    asyncio.run(write())


def report(**changes: object) -> dict[str, object]:
    now_ms = SystemClock().wall_ms()
    fields = {
        "event_id": str(make_uuid7(now_ms)),
        "user_id": str(USER),
        "film_id": FILM,
        "progress": 1,
        "total": 5400,
        "viewed_at": now_ms,
    }
    return fields | changes


@pytest.fixture
def dead(up: Up) -> list[dict[str, Any]]:
    """Two dead letters of this test alone: of a newer version, and no report at all."""
    words = uuid4().hex
    newer = json.dumps(report(device=words[:8], received_at=1)).encode()
    append(up, newer, (("schema_version", b"9"),))
    append(up, f'{{"progress": "{words}"}}'.encode())

    def both() -> list[dict[str, Any]]:
        found = [one for one in letters(up) if words[:8] in one["payload"]]
        return found if len(found) == 2 else []

    return until(both, "both lines are dead letters")


def test_dead_letters_are_listed_shown_dropped_and_then_only_among_the_resolved(up, dead):
    keys = [letter["key"] for letter in dead]
    listed = command(up, "dlq", "ls", "--reason", "UNKNOWN schema", "--since", "1h")
    assert listed.out.splitlines()[0] == "key\tset aside\treason\tpayload"
    assert keys[0] in listed.out
    assert keys[1] not in listed.out
    assert answer(up, "dlq", "show", keys[1])["payload"] == dead[1]["payload"]

    counted = answer(up, "dlq", "drop", *keys, "--dry-run")
    refused = command(up, "dlq", "drop", *keys)
    dropped = answer(up, "dlq", "drop", *keys, "--yes")
    again = answer(up, "dlq", "drop", *keys, "--yes")

    assert (counted["dropped"], dropped["dropped"], again["dropped"]) == (2, 2, 0)
    assert refused.code == 2
    assert "--yes" in refused.err
    assert not [one for one in letters(up) if one["key"] in keys]
    closed = {one["key"]: one["resolution"] for one in letters(up, "--resolved")}
    assert [closed[key] for key in keys] == ["dropped", "dropped"]
    assert answer(up, "status")["log"]["dead_letters"] == len(letters(up))


def test_a_redrive_names_what_cannot_be_read_still(up, dead):
    keys = [letter["key"] for letter in dead]

    counted = answer(up, "dlq", "redrive", *keys, "--dry-run")
    ended = command(up, "dlq", "redrive", *keys)
    everything = command(up, "dlq", "redrive")

    assert (counted["redriven"], counted["stay"]) == (0, 2)
    assert ended.code == 1
    assert all(f"stays: {key}" in ended.err for key in keys)
    assert everything.code == 2
    assert command(up, "dlq", "drop", *keys, "--yes").code == 0


def test_a_letter_that_is_not_there_is_an_error_with_the_next_step(up):
    ended = command(up, "dlq", "show", "views:0:99999999:0")

    assert ended.code == 1
    assert "ugc dlq ls" in ended.err


def test_a_replay_of_the_log_counts_first_and_then_changes_no_number(up):
    with up.client(USER) as client:
        sent = client.post("/api/v1/progresses/", json=[report() for _ in range(20)])
    assert sent.json()["accepted"] == 20
    up.stored([item["event_id"] for item in sent.json()["items"]])
    numbers = "SELECT count(), sum(cityHash64(*)) FROM views"
    before = up.rows(numbers)

    counted = answer(up, "replay", "log", "--from-time", "1h", "--dry-run")
    done = answer(up, "replay", "log", "--from-time", "1h")
    gaps = answer(up, "replay", "log", "--gaps")
    plain = command(up, "replay", "log", "--resume", done["id"])

    assert counted["id"] is None
    assert counted["already"] == counted["events"] >= 20
    assert done["finished"]
    assert done["events"] >= counted["events"]
    assert gaps["records"] == 0
    assert plain.code == 0
    assert "records\t0" in plain.out
    assert up.rows(numbers) == before


def test_what_cannot_be_replayed_is_refused_with_the_reason(up):
    nothing = command(up, "replay", "log")
    gone = command(up, "replay", "log", "--offsets", "0:99999990-99999999")
    nobody = command(up, "replay", "log", "--resume", "nobody")

    assert (nothing.code, gone.code, nobody.code) == (2, 1, 2)
    assert "--gaps" in nothing.err
    assert "archive" in gone.err
    assert "no replay nobody" in nobody.err


def test_an_interrupted_replay_prints_how_to_go_on(up, keep: Keep, tmp_path: Path):
    with up.client(USER) as client:
        client.post("/api/v1/progresses/", json=[report() for _ in range(100)])
    words = ["replay", "log", "--all", "--rate", "5", "--data", str(up.data)]
    running = keep(Running(arguments=[UGC, *words], folder=tmp_path))
    running.says("Replay 20")
    noted = "SELECT count() FROM ingested WHERE topic LIKE '%#replay-%' AND lines > 0"
    already = up.rows(noted)
    until(lambda: up.rows(noted) != already, "a batch is done")

    code = running.end(signal.SIGINT)

    assert code == 1
    found = re.search(r"ugc replay log --resume (\S+)", running.err)
    assert found, running.err
    resumed = answer(up, "replay", "log", "--resume", found[1])
    assert resumed["finished"]
    assert resumed["records"] > 0
    assert answer(up, "replay", "log", "--resume", found[1])["records"] == 0


def test_a_file_is_sent_and_goes_on_after_it_was_killed(up, keep: Keep, tmp_path: Path):
    user = str(uuid4())
    file = tmp_path / "history.ndjson"
    reports = [report(user_id=user, viewed_at=1_500_000_000_000 + n) for n in range(120)]
    bad = json.dumps(report(user_id=user, progress=-1))
    file.write_text("\n".join([*map(json.dumps, reports), bad]))
    words = ["replay", "file", str(file), "--data", str(up.data)]
    counted = answer(up, "replay", "file", str(file), "--dry-run", code=1)
    assert (counted["accepted"], counted["refused"]) == (120, 1)

    running = keep(Running(arguments=[UGC, *words, "--rate", "20"], folder=tmp_path / "out"))
    states = up.data / "replays"
    until(lambda: [*states.glob("*.json")] and '"line":0' not in state(states), "a window is sent")
    running.kill()
    resumed = answer(up, "replay", "file", str(file), "--resume", code=1)

    assert 0 < resumed["accepted"] < 120
    assert [(one["line"], one["reason"][:8]) for one in resumed["refused_lines"]] == [
        (121, "progress")
    ]
    up.stored([str(one["event_id"]) for one in reports])
    assert up.rows(f"SELECT count() FROM views WHERE user_id = '{user}'") == [(120,)]


def state(folder: Path) -> str:
    return "".join(path.read_text("utf-8") for path in folder.glob("*.json"))
