"""`ugc forget`: gone everywhere, gone for good, and nobody else notices."""

import json
from itertools import count
from uuid import UUID, uuid4

import psutil
import pytest

from tests.e2e.systems import Up, ugc, until
from ugc_core.clock import SystemClock
from ugc_core.uuid7 import make_uuid7

_numbers = count(1)


def report(up: Up, user: UUID, film: UUID, *, at_ms: int | None = None) -> UUID:
    """Report a playhead as this user; return the event id."""
    event_id = make_uuid7(at_ms or SystemClock().wall_ms())
    body = {"event_id": str(event_id), "progress": next(_numbers), "total": 5400}
    with up.client(user) as client:
        answer = client.post(f"/api/v1/progresses/films/{film}/", json=body)
    assert answer.status_code == 202, answer.text
    return event_id


def forgotten(up: Up, user: UUID, *options: str):
    """Run the command; return how it ended and its proof."""
    ended = ugc("forget", str(user), "--data", str(up.data), "--json", *options, cwd=up.folder)
    return ended, json.loads(ended.out)


def held_up(up: Up) -> psutil.Process:
    """Have the pipeline stand still; not in mid-commit, where it holds the log's write lock."""

    def rests() -> bool:
        shown = ugc("status", "--json", "--data", str(up.data), cwd=up.folder)
        return bool(json.loads(shown.out)["pipeline"]["state"] == "ok")

    until(rests, "everything is committed")
    etl = up.children()["ugc_etl"]
    etl.suspend()
    return etl


def test_a_forgotten_user_is_gone_from_every_table_and_others_are_as_before(up):
    user, other, film = uuid4(), uuid4(), uuid4()
    mine = [report(up, user, film), report(up, user, uuid4())]
    theirs = report(up, other, film)
    up.stored([*mine, theirs])

    ended, proof = forgotten(up, user, "--yes")

    assert ended.code == 0, ended.err
    assert proof["rows"] == {"views_raw": 0, "playback": 0, "resume_points": 0}
    assert proof["dead_letters"] == 0
    assert [erasure["done"] for erasure in proof["erasures"]] == [1]
    assert up.rows(f"SELECT event_id FROM views WHERE film_id = '{film}'") == [(theirs,)]
    assert up.rows(f"SELECT user_id FROM playback WHERE film_id = '{film}'") == [(other,)]
    with up.client(user) as client:
        assert client.get(f"/api/v1/progresses/films/{film}/").status_code == 404


def test_what_the_user_reports_afterwards_is_kept_and_what_was_made_before_is_not(up):
    user, film = uuid4(), uuid4()
    before_ms = SystemClock().wall_ms() - 60_000
    up.stored([report(up, user, film)])
    assert forgotten(up, user, "--yes")[0].code == 0

    report(up, user, film, at_ms=before_ms)
    after = report(up, user, film)

    up.stored([after])
    assert up.rows(f"SELECT event_id FROM views WHERE user_id = '{user}'") == [(after,)]


def test_a_second_erasure_takes_what_came_since(up):
    user, film = uuid4(), uuid4()
    up.stored([report(up, user, film)])
    forgotten(up, user, "--yes")
    up.stored([report(up, user, film)])

    ended, proof = forgotten(up, user, "--yes")

    assert ended.code == 0, ended.err
    assert len(proof["erasures"]) == 2
    assert proof["rows"]["views_raw"] == 0


def test_a_check_erases_nothing_and_says_what_is_there(up):
    user, film = uuid4(), uuid4()
    up.stored([report(up, user, film)])

    ended, proof = forgotten(up, user, "--check")

    assert ended.code == 1
    assert proof["erasures"] == []
    assert proof["rows"] == {"views_raw": 1, "playback": 1, "resume_points": 1}


def test_without_a_terminal_it_wants_yes(up):
    user = uuid4()

    ended = ugc("forget", str(user), "--data", str(up.data), cwd=up.folder)

    assert ended.code == 2
    assert "--yes" in ended.err
    assert up.rows(f"SELECT count() FROM erasures WHERE user_id = '{user}'") == [(0,)]


@pytest.mark.parametrize("word", ["nobody", "12"])
def test_a_user_that_is_no_uuid_is_refused(up, word):
    assert ugc("forget", word, "--yes", "--data", str(up.data), cwd=up.folder).code == 2


def test_a_pipeline_that_is_held_up_is_told_and_the_request_stays(start):
    up = start()
    user, film = uuid4(), uuid4()
    up.stored([report(up, user, film)])
    etl = held_up(up)

    arguments = ("forget", str(user), "--yes", "--wait", "0.5", "--data", str(up.data))
    ended = ugc(*arguments, cwd=up.folder)
    etl.resume()

    assert ended.code == 4
    assert "It will be carried out" in ended.err
    gone = f"SELECT count() FROM views_raw WHERE user_id = '{user}'"
    until(lambda: up.rows(gone) == [(0,)], "the erasure is carried out")
    assert forgotten(up, user, "--check")[0].code == 0


def test_an_erasure_survives_kill_9_of_everything(start):
    up = start()
    user, film = uuid4(), uuid4()
    up.stored([report(up, user, film)])
    held_up(up)
    arguments = ("forget", str(user), "--yes", "--wait", "0", "--data", str(up.data))
    asked = ugc(*arguments, cwd=up.folder)
    up.kill()
    assert asked.code == 4, asked

    again = start()

    gone = f"SELECT count() FROM views_raw WHERE user_id = '{user}'"
    until(lambda: again.rows(gone) == [(0,)], "the erasure is carried out", within_s=60)
    assert forgotten(again, user, "--check")[0].code == 0
