"""Every other command, against a system that runs, or one that does not."""

import json
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import psutil
import pytest

from tests.e2e.systems import UGC, Running, Up, clean_environment, ugc, until

FILM = "3d825f60-9fff-4dfe-b294-1a45fa1e115d"
USER = "01900000-0000-7000-8000-00000000000a"


@pytest.fixture
def fresh(up: Up, tmp_path: Path) -> dict[str, str]:
    """Settings of a log and a database of one's own, on the engine of a running system."""
    return {
        "UGC_LOG__URL": f"sqlite:///{tmp_path / 'log.db'}",
        "UGC_WAREHOUSE__URL": f"clickhouse://{up.welcome['clickhouse']}/fresh_{uuid4().hex}",
        "UGC_WAREHOUSE__PASSWORD_FILE": str(up.data / "secrets" / "clickhouse-password"),
        "UGC_AUTH__SECRET_FILE": str(up.data / "secrets" / "token-secret"),
        "UGC_API__PORT": str(free_port()),
        "UGC_DATA_DIR": str(tmp_path / "data"),
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def tables(up: Up, env: dict[str, str]) -> set[str]:
    database = env["UGC_WAREHOUSE__URL"].rsplit("/", 1)[1]
    sql = f"SELECT name FROM system.tables WHERE database = '{database}'"
    return {row[0] for row in up.rows(sql)}


# --- init


def test_init_shows_its_plan_carries_it_out_and_then_has_nothing_to_do(up: Up, fresh, tmp_path):
    planned = ugc("init", "--plan", cwd=tmp_path, env=fresh)
    assert planned.code == 0
    assert {line.split()[0] for line in planned.out.splitlines()} == {"log", "warehouse"}
    assert "Nothing was changed" in planned.err
    assert tables(up, fresh) == set()

    done = ugc("init", cwd=tmp_path, env=fresh)
    assert (done.code, done.out) == (0, planned.out)
    assert "Done." in done.err
    assert {"views_raw", "views", "resume_points", "ingested"} <= tables(up, fresh)

    again = ugc("init", cwd=tmp_path, env=fresh)
    assert (again.code, again.out) == (0, "")
    assert again.err.startswith("Nothing to do")
    nothing = json.loads(ugc("init", "--plan", "--json", cwd=tmp_path, env=fresh).out)
    assert nothing == {"applied": False, "steps": []}


def test_init_has_nothing_to_do_on_a_running_system(up: Up, tmp_path):
    ended = ugc("init", "--json", "--data", str(up.data), cwd=tmp_path)

    assert ended.code == 0
    assert json.loads(ended.out)["steps"] == []


# --- status


def test_status_says_how_each_part_is(up: Up, tmp_path):
    ended = ugc("status", "--data", str(up.data), cwd=tmp_path)

    assert (ended.code, ended.err) == (0, "")
    states = {line.split()[0]: line.split()[1] for line in ended.out.splitlines()}
    assert states.keys() == {"api", "log", "pipeline", "warehouse"}
    assert {states["api"], states["log"], states["warehouse"]} == {"ok"}
    assert states["pipeline"] in {"ok", "behind"}
    assert "None" not in ended.out


def test_status_counts_what_was_stored(up: Up, tmp_path):
    with up.client(uuid4()) as client:
        answer = client.post(
            f"/api/v1/progresses/films/{FILM}/", json={"progress": 1, "total": 2}
        ).json()
    up.stored([answer["event_id"]])

    def settled() -> dict[str, dict[str, Any]] | None:
        ended = ugc("status", "--data", str(up.data), "--json", cwd=tmp_path)
        found: dict[str, dict[str, Any]] = json.loads(ended.out)
        return found if found["pipeline"]["state"] == "ok" else None

    shown = until(settled, "the pipeline has caught up") or {}

    pipeline = dict(shown["pipeline"])
    assert [one["lag"] for one in pipeline.pop("partitions")] == [0] * 4
    [member] = pipeline.pop("members")
    assert (member["client"], member["partitions"]) == (member["name"], [0, 1, 2, 3])
    assert pipeline == {"state": "ok", "group": "ugc-etl", "lag": 0, "oldest_s": None}
    assert shown["log"]["dead_letters"] == 0
    assert shown["warehouse"]["reports"] == up.rows("SELECT count() FROM views")[0][0]
    assert shown["warehouse"]["lines"] == up.rows("SELECT sum(lines) FROM ingested FINAL")[0][0]
    assert shown["warehouse"]["last_stored"]
    assert shown["api"]["url"] == up.url


def test_status_ends_with_4_and_says_which_part_is_down(up: Up, fresh, tmp_path):
    gone = f"clickhouse://127.0.0.1:{free_port()}/movies"
    ugc("init", cwd=tmp_path, env=fresh)

    ended = ugc("status", cwd=tmp_path, env={**fresh, "UGC_WAREHOUSE__URL": gone})

    assert ended.code == 4
    lines = {line.split()[0]: line for line in ended.out.splitlines()}
    assert lines["warehouse"].split()[1] == "down"
    assert gone.split("/")[2] in lines["warehouse"]
    assert lines["log"].split()[1] == "ok"
    shown = ugc("status", "--json", cwd=tmp_path, env={**fresh, "UGC_WAREHOUSE__URL": gone})
    assert shown.code == 4
    assert json.loads(shown.out)["warehouse"]["state"] == "down"


# --- query


def query(up: Up, *words: str, cwd: Path):
    return ugc("query", *words, "--data", str(up.data), cwd=cwd)


def test_query_prints_tab_separated_values_into_a_pipe(up: Up, tmp_path):
    sql = r"SELECT 1 AS n, 'a\tb\\c\nd\re' AS text, NULL AS nothing, toDate('2026-01-02') AS day"

    ended = query(up, sql, cwd=tmp_path)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "n\ttext\tnothing\tday\n1\ta\\tb\\\\c\\nd\\re\t\t2026-01-02\n"


def test_query_prints_one_json_object_a_row(up: Up, tmp_path):
    sql = """
        SELECT number AS n, [1, 2] AS list, NULL AS nothing, generateUUIDv4() AS id,
            toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC') AS at, map('a', 1.5) AS map
        FROM numbers(2)
    """

    ended = query(up, sql, "--json", cwd=tmp_path)

    assert ended.code == 0
    first, second = map(json.loads, ended.out.splitlines())
    assert (first["n"], second["n"]) == (0, 1)
    assert (first["list"], first["nothing"], first["map"]) == ([1, 2], None, {"a": 1.5})
    assert first["at"].startswith("2026-01-02T03:04:05.678")


def test_query_without_rows_prints_the_header_alone(up: Up, tmp_path):
    assert query(up, "SELECT 1 AS n WHERE 0", cwd=tmp_path).out == "n\n"
    assert query(up, "SELECT 1 AS n WHERE 0", "--json", cwd=tmp_path).out == ""


def test_a_reader_that_has_seen_enough_is_no_error(up: Up, tmp_path):
    pipeline = '"$0" query --data "$1" "SELECT number FROM numbers(500000)" | head -n 2'
    done = subprocess.run(
        ["sh", "-c", pipeline, UGC, str(up.data)],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("number\n0\n", "")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nonsense",
        "SELECT * FROM nowhere",
        "SELECT 1/",
        "SELECT 1; SELECT 2",
        "SELECT unhex('ff00') AS bytes",
    ],
)
def test_a_query_that_fails_says_why_in_one_line(up: Up, tmp_path, sql):
    ended = query(up, sql, cwd=tmp_path)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE views_raw",
        "-- SELECT\nINSERT INTO erasures SELECT * FROM erasures",
        "/* SELECT */ TRUNCATE TABLE views_raw",
        "WITH 1 AS one INSERT INTO erasures SELECT * FROM erasures",
        "SET readonly = 0",
        "",
    ],
)
def test_query_refuses_what_is_no_reading_statement(up: Up, tmp_path, sql):
    ended = ugc("query", "--data", str(up.data), "--", sql, cwd=tmp_path)

    assert (ended.code, ended.out) == (2, "")
    assert "only reading statements" in ended.err


@pytest.mark.parametrize(
    "sql",
    [
        "-- first\n/* then */ (SELECT 7)",
        "with 7 as insert_count select insert_count",
        "WITH 'insert into x' AS words SELECT 7",
        "select 7 where 'drop' != 'insert'",
    ],
)
def test_query_knows_a_reading_statement_by_its_own_words(up: Up, tmp_path, sql):
    ended = ugc("query", "--data", str(up.data), "--json", "--", sql, cwd=tmp_path)

    assert ended.code == 0, ended.err
    assert list(json.loads(ended.out).values()) == [7]


def test_a_query_to_a_warehouse_that_is_down_ends_with_4(fresh, tmp_path):
    env = {**fresh, "UGC_WAREHOUSE__URL": f"clickhouse://127.0.0.1:{free_port()}/movies"}

    ended = ugc("query", "SELECT 1", cwd=tmp_path, env=env)

    assert (ended.code, ended.out) == (4, "")
    assert ended.err.count("\n") == 1


# --- token


def test_a_token_is_taken_by_the_api(up: Up, tmp_path):
    profile = str(uuid4())
    options = ("--user", USER, "--profile", profile, "--role", "analyst", "--role", "auditor")

    ended = ugc("token", "--data", str(up.data), *options, "--ttl", "60", cwd=tmp_path)

    token = ended.out.strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims.pop("exp") - claims.pop("iat") == 60
    assert claims == {
        "sub": USER,
        "type": "access",
        "profile_id": profile,
        "roles": ["analyst", "auditor"],
    }
    answer = httpx.post(
        f"{up.url}/api/v1/progresses/films/{FILM}/",
        headers={"Authorization": f"Bearer {token}"},
        json={"progress": 1, "total": 2},
    )
    assert answer.status_code == 202
    up.stored([answer.json()["event_id"]])
    sql = f"SELECT toString(profile_id) FROM views WHERE event_id = '{answer.json()['event_id']}'"
    assert up.rows(sql) == [(profile,)]


def test_a_token_works_only_until_it_ends(up: Up):
    url = f"{up.url}/api/v1/progresses/"
    valid, expired = up.token(USER), up.token(USER, age_s=2 * 3600)

    assert httpx.get(url, headers={"Authorization": f"Bearer {valid}"}).status_code == 200
    refused = httpx.get(url, headers={"Authorization": f"Bearer {expired}"})
    assert refused.status_code == 401
    assert "expired" in refused.json()["detail"]


def test_a_token_as_json_says_when_it_ends(up: Up, tmp_path):
    ended = ugc("token", "--data", str(up.data), "--user", USER, "--json", cwd=tmp_path)

    shown = json.loads(ended.out)
    claims = jwt.decode(shown["token"], options={"verify_signature": False})
    assert shown["expires_at"] == claims["exp"] == claims["iat"] + 3600


def test_without_a_secret_there_is_no_token_but_a_next_step(tmp_path):
    ended = ugc("token", "--user", USER, cwd=tmp_path)

    assert (ended.code, ended.out) == (5, "")
    for way in ("`ugc up`", "--data DIR", "UGC_AUTH__SECRET_FILE"):
        assert way in ended.err


# --- config


def test_config_shows_each_value_and_where_it_comes_from(tmp_path):
    (tmp_path / "ugc.toml").write_text("[etl]\nmax_rows = 7\n[log]\ngroup = 'from-file'\n")
    env = {"UGC_LOG__GROUP": "from-env", "UGC_AUTH__SECRET": "s3cret" * 8}

    ended = ugc("config", "show", "--sources", "--data", "elsewhere", cwd=tmp_path, env=env)

    assert ended.code == 0
    header, *lines = ended.out.splitlines()
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in lines}
    assert header.split("\t") == ["setting", "value", "source", "variable"]
    assert rows["data_dir"] == ["elsewhere", "flag", "UGC_DATA_DIR"]
    assert rows["log.group"] == ["from-env", "env UGC_LOG__GROUP", "UGC_LOG__GROUP"]
    assert rows["etl.max_rows"] == ["7", "file ugc.toml", "UGC_ETL__MAX_ROWS"]
    assert rows["log.topic"] == ["views", "default", "UGC_LOG__TOPIC"]
    assert rows["auth.secret"][0] == "********"
    assert "s3cret" not in ended.out + ended.err


def test_config_as_json_shows_where_a_running_system_is(up: Up, tmp_path):
    data = str(up.data)

    shown = json.loads(ugc("config", "show", "--json", "--data", data, cwd=tmp_path).out)
    sources = json.loads(
        ugc("config", "show", "--json", "--sources", "--data", data, cwd=tmp_path).out
    )

    assert shown["warehouse.url"] == f"clickhouse://{up.welcome['clickhouse']}/movies"
    assert shown["auth.secret"] == shown["warehouse.password"] == "********"
    assert sources["log.url"] == {"value": shown["log.url"], "source": f"ugc up ({data})"}
    assert shown.keys() == sources.keys()
    assert up.secret("token-secret") not in json.dumps([shown, sources])


# --- when nothing runs, and in the foreground


@pytest.mark.parametrize("words", [["status"], ["query", "SELECT 1"], ["init"], ["api"], ["etl"]])
def test_where_nothing_runs_a_command_ends_with_4_and_three_ways_out(tmp_path, words):
    ended = ugc(*words, cwd=tmp_path)

    assert (ended.code, ended.out) == (4, "")
    assert str(tmp_path / ".ugc") in ended.err
    for way in ("Start one (`ugc up`)", "`--data DIR`", "UGC_LOG__URL and UGC_WAREHOUSE__URL"):
        assert way in ended.err
    assert not (tmp_path / ".ugc").exists()


def test_an_unknown_command_ends_with_2(tmp_path):
    ended = ugc("nonsense", cwd=tmp_path)

    assert (ended.code, ended.out) == (2, "")
    assert "nonsense" in ended.err


def test_api_and_etl_in_the_foreground_are_the_services(up: Up, fresh, tmp_path, keep):
    """Together they do what `ugc up` does, on another log and database."""
    assert ugc("init", cwd=tmp_path, env=fresh).code == 0
    port = str(free_port())
    api = keep(Running(arguments=[UGC, "api", "--port", port], folder=tmp_path / "api", env=fresh))
    etl = keep(Running(arguments=[UGC, "etl"], folder=tmp_path / "etl", env=fresh))
    assert f"http://127.0.0.1:{port}" in api.says("ugc-api ready")
    etl.says("ugc-etl ready")

    answer = httpx.post(
        f"http://127.0.0.1:{port}/api/v1/progresses/films/{FILM}/",
        headers={"Authorization": f"Bearer {up.token(USER)}"},
        json={"progress": 1, "total": 2},
    )

    assert answer.status_code == 202
    database = fresh["UGC_WAREHOUSE__URL"].rsplit("/", 1)[1]
    until(
        lambda: up.rows(f"SELECT toString(event_id) FROM {database}.views"), "the report is a row"
    )
    stored = up.rows(f"SELECT toString(event_id) FROM {database}.views")
    assert stored == [(answer.json()["event_id"],)]
    for service, module in ((api, "ugc_api"), (etl, "ugc_etl")):
        assert module in psutil.Process(service.process.pid).cmdline()
        assert service.end(signal.SIGTERM) == 0
