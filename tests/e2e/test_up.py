"""`ugc up`: what it gives, and how it keeps its secrets."""

import json
import stat
from uuid import UUID, uuid4

import httpx
import psutil
import pytest

from tests.e2e.curls import curl
from tests.e2e.systems import (
    Up,
    until,
)

FILM = "3d825f60-9fff-4dfe-b294-1a45fa1e115d"


def test_the_json_document_has_everything_to_go_on_with(up: Up):
    assert len(up.out.splitlines()) == 1
    shown = up.welcome

    assert shown.keys() == {
        *("api", "docs", "metrics", "clickhouse", "database", "data", "user", "token", "curl")
    }
    assert shown["data"] == str(up.data)
    assert httpx.get(shown["metrics"]).status_code == 200
    assert httpx.get(shown["docs"]).status_code == 401
    signed_in = httpx.get(shown["docs"], auth=("docs", up.secret("docs-password")))
    assert signed_in.status_code == 200
    listed = httpx.get(
        f"{shown['api']}progresses/", headers={"Authorization": f"Bearer {shown['token']}"}
    )
    assert listed.status_code == 200
    assert up.rows("SELECT currentDatabase()") == [(shown["database"],)]


def test_the_curl_line_stores_a_report_of_the_token_s_user(up: Up):
    answer = curl(up.welcome["curl"]).json()

    assert answer["receipt"].keys() == {"partition", "offset", "line"}
    up.stored([answer["event_id"]])
    found = up.rows(
        "SELECT toString(user_id), progress_ms, total_ms FROM views"
        f" WHERE event_id = '{answer['event_id']}'"
    )
    assert found == [(up.welcome["user"], 120_000, 5_400_000)]


def test_a_report_becomes_a_row_and_a_resume_point(up: Up, make_report):
    user = uuid4()
    path = f"/api/v1/progresses/films/{FILM}/"
    with up.client(user) as client:
        assert client.get(path).status_code == 404

        answer = client.post(path, json={"progress": 61.5, "total": 5400, "device": "tv"})

        assert answer.status_code == 202
        until(lambda: client.get(path).status_code == 200, "there is a resume point")
        point = client.get(path).json()
        assert (point["film_id"], point["progress"], point["total"]) == (FILM, 61.5, 5400)
        listed = client.get("/api/v1/progresses/").json()
    assert [item["film_id"] for item in listed["items"]] == [FILM]
    stored = up.rows(f"SELECT event_id, device FROM views WHERE user_id = '{user}'")
    assert stored == [(UUID(answer.json()["event_id"]), "tv")]


@pytest.mark.parametrize("form", ["application/json", "application/x-ndjson"])
def test_every_report_of_a_batch_becomes_a_row(up: Up, form):
    user = uuid4()
    films = [str(uuid4()) for _ in range(20)]
    lines = [
        json.dumps({"film_id": film, "progress": n, "total": 100}) for n, film in enumerate(films)
    ]
    body = "\n".join(lines) if "ndjson" in form else f"[{','.join(lines)}]"
    with up.client(user) as client:
        answer = client.post(
            "/api/v1/progresses/", content=body, headers={"Content-Type": form}
        ).json()

    assert (answer["accepted"], answer["refused"]) == (20, 0)
    up.stored([item["event_id"] for item in answer["items"]])
    found = up.rows(f"SELECT toString(film_id), progress_ms FROM views WHERE user_id = '{user}'")
    assert sorted(found) == sorted((film, n * 1000) for n, film in enumerate(films))


def test_it_listens_on_this_machine_alone(up: Up):
    sockets = [
        socket.laddr.ip
        for child in up.children().values()
        for socket in child.net_connections()
        if socket.status == psutil.CONN_LISTEN
    ]

    assert len(sockets) >= 2
    assert set(sockets) == {"127.0.0.1"}


# --- secrets


def test_secrets_are_readable_by_their_owner_alone(up: Up):
    modes = {
        path.relative_to(up.data).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (up.data, *up.data.glob("secrets*"), *up.data.glob("secrets/*"))
    }

    assert modes == {
        ".": 0o700,
        "secrets": 0o700,
        "secrets/token-secret": 0o600,
        "secrets/clickhouse-password": 0o600,
        "secrets/docs-password": 0o600,
    }
    assert stat.S_IMODE((up.data / "run.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((up.data / "log.db").stat().st_mode) == 0o600


def test_no_secret_is_printed_logged_or_given_on_a_command_line(up: Up):
    secrets = [path.read_text().strip() for path in (up.data / "secrets").iterdir()]
    processes = [psutil.Process(up.process.pid), *up.children().values()]
    shown = {
        "output": up.out + up.err,
        **{path.name: path.read_text() for path in (up.data / "logs").iterdir()},
        "run.json": (up.data / "run.json").read_text(),
        **{f"ps {process.pid}": " ".join(process.cmdline()) for process in processes},
        **{f"env {process.pid}": str(process.environ()) for process in processes},
    }

    assert all(len(secret) >= 40 for secret in secrets)
    assert len(set(secrets)) == 3
    for where, text in shown.items():
        assert not [secret for secret in secrets if secret in text], where
        if where != "output":
            assert up.welcome["token"] not in text, where
