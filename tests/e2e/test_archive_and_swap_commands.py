"""`ugc archive`, `ugc replay log --swap` and `--from-table` on a system that runs."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from tests.e2e.systems import Ended, Up, ugc, until

FILM = "3d825f60-9fff-4dfe-b294-1a45fa1e115d"


def command(up: Up, *words: str) -> Ended:
    return ugc(*words, "--data", str(up.data), cwd=up.data.parent)


def answer(up: Up, *words: str, code: int = 0) -> Any:
    ended = command(up, *words, "--json")
    assert ended.code == code, ended
    return json.loads(ended.out)


def reported(up: Up, user: UUID, many: int) -> None:
    """Report as this user, and wait until it is committed."""
    report = {"progress": 1, "total": 5400, "film_id": FILM}
    with up.client(user) as client:
        items = client.post("/api/v1/progresses/", json=[report] * many).json()["items"]
    up.stored([item["event_id"] for item in items])
    until(lambda: answer(up, "status")["pipeline"]["lag"] == 0, "everything is committed")


def test_an_archive_grows_is_read_back_and_forgets(up: Up, tmp_path: Path):
    user, folder = uuid4(), tmp_path / "archive"
    reported(up, user, 12)

    first = answer(up, "archive", str(folder))
    again = command(up, "archive", str(folder))
    files = [str(path) for path in folder.glob("*.parquet")]
    ended = command(up, "replay", "file", *files, "--dry-run", "--json")
    sent = json.loads(ended.out)
    assert command(up, "forget", str(user), "--yes").code == 0
    forgotten = answer(up, "archive", str(folder), "--forget")

    assert first["lines"] >= 12
    assert first["files_in_all"] == len(files)
    assert again.code == 0
    assert again.out.splitlines()[1] == "files\t0"
    assert sent["lines"] == first["lines"]
    # Other tests may have put lines into this log that are no reports.
    assert ended.code == (1 if first["gone"] or sent["accepted"] < sent["lines"] else 0)
    assert forgotten["forgotten"] == 12
    assert folder.stat().st_mode & 0o77 == 0


def test_derived_tables_are_built_anew_beside_the_running_pipeline(up: Up):
    user = uuid4()
    reported(up, user, 3)
    number = f"SELECT count() FROM playback WHERE user_id = '{user}'"
    up.rows(f"ALTER TABLE playback DELETE WHERE user_id = '{user}' SETTINGS mutations_sync = 2")

    counted = answer(up, "replay", "log", "--swap", "--dry-run")
    done = command(up, "replay", "log", "--swap")

    assert (counted["finished"], counted["reports"] >= 3) == (False, True)
    assert done.code == 0, done
    assert done.out.splitlines()[0] == "table\trows before\trows after"
    assert up.rows(number) != [(0,)]
    assert up.rows("SELECT count() FROM system.tables WHERE name LIKE '%\\_\\_new%'") == [(0,)]


def test_the_help_of_a_swap_says_what_is_not_atomic(tmp_path: Path):
    shown = ugc("replay", "log", "--help", cwd=tmp_path)

    assert "not atomic" in " ".join(shown.out.split())


def test_the_replaced_systems_table_is_taken_over(up: Up):
    user = uuid4()
    up.rows("CREATE DATABASE IF NOT EXISTS old")
    up.rows(
        "CREATE TABLE old.views (film_id UUID, user_id UUID, progress UInt16, total UInt16,"
        " created_at DateTime) ENGINE = MergeTree ORDER BY tuple()"
    )
    up.rows(
        f"INSERT INTO old.views SELECT '{FILM}', '{user}', number, 5400, 1600000000 + number"
        " FROM numbers(50)"
    )

    counted = answer(up, "replay", "file", "--from-table", "old.views", "--dry-run")
    sent = answer(up, "replay", "file", "--from-table", "old.views")
    nothing = command(up, "replay", "file")
    both = command(up, "replay", "file", "x.ndjson", "--from-table", "old.views")
    missing = command(up, "replay", "file", "--from-table", "old.nothing")

    assert counted["accepted"] == sent["accepted"] == 50
    arrived = f"SELECT count() FROM views WHERE user_id = '{user}'"
    until(lambda: up.rows(arrived) == [(50,)], "every row is a report")
    assert (nothing.code, both.code, missing.code) == (2, 2, 1)
    assert "no such table" in missing.err
    up.rows("DROP DATABASE old SYNC")
