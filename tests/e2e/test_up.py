"""`ugc up`: what it gives, what it refuses, and what is kept however it ends."""

import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import clickhouse_driver
import httpx
import psutil
import pytest

from tests.e2e.senders import Journal, load
from tests.e2e.systems import SERVICES, UGC, Ended, Running, Up, clean_environment, ugc, until

FILM = "3d825f60-9fff-4dfe-b294-1a45fa1e115d"
FREE_PORTS = ("--port", "0", "--clickhouse-port", "0")
ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|38|9[0-7])")


def curl(command: str) -> httpx.Response:
    """Run the line in a shell; without curl, do what it says."""
    words = shlex.split(command)
    if shutil.which("curl"):
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, timeout=20, check=True, text=True
        )
        return httpx.Response(202 if "-d" in words else 200, text=done.stdout)
    url = next(word for word in words if word.startswith("http"))
    headers = [words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H"]
    named = [(name, value) for name, value in headers]
    if "-d" not in words:
        return httpx.get(url, headers=named)
    return httpx.post(url, headers=named, content=words[words.index("-d") + 1])


def the_one_line_of(ended: Ended) -> str:
    """Return the one line that explains why the start failed."""
    lines = [line for line in ended.err.splitlines() if not line.startswith("Starting in ")]
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("error: ")
    assert ended.out == ""
    return lines[0]


# --- what it gives


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


# --- what it refuses


def test_a_second_start_on_the_directory_names_the_first(up: Up, tmp_path):
    ended = ugc("up", "--data", str(up.data), *FREE_PORTS, "--json", cwd=tmp_path)

    assert ended.code == 5
    line = the_one_line_of(ended)
    assert f"pid {up.process.pid}" in line
    assert str(up.data) in line
    assert "--data" in line
    assert up.children().keys() == set(SERVICES)
    assert httpx.get(f"{up.url}/livez").status_code == 200


@pytest.mark.parametrize(
    ("option", "other"), [("--port", "--clickhouse-port"), ("--clickhouse-port", "--port")]
)
def test_a_port_in_use_is_named_with_the_option_that_changes_it(tmp_path, option, other):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = ugc("up", "--data", "d", option, port, other, "0", "--json", cwd=tmp_path)

    assert ended.code == 5
    line = the_one_line_of(ended)
    assert port in line
    assert f"{option} N" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UGC_LOG__URL", "sqlite:///other.db"),
        ("UGC_WAREHOUSE__URL", "clickhouse://127.0.0.1:9/movies"),
        ("UGC_WAREHOUSE__USER", "somebody"),
        ("UGC_WAREHOUSE__PASSWORD", "not-the-embedded-one"),
    ],
)
def test_settings_of_another_log_or_warehouse_are_refused(tmp_path, name, value):
    ended = ugc("up", "--data", "d", *FREE_PORTS, "--json", cwd=tmp_path, env={name: value})

    assert ended.code == 5
    line = the_one_line_of(ended)
    assert f"unset {name}" in line
    assert value not in line
    assert not (tmp_path / "d").exists()


def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(tmp_path):
    env = {"UGC_LOGG__URL": "kafka://broker:9092"}

    ended = ugc("up", "--data", "d", *FREE_PORTS, cwd=tmp_path, env=env)

    assert ended.code == 5
    line = the_one_line_of(ended)
    assert "UGC_LOGG__URL" in line
    assert "did you mean UGC_LOG__URL?" in line


@pytest.mark.parametrize("value", ["99999", "-1"])
def test_a_number_that_is_no_port_is_refused(tmp_path, value):
    ended = ugc("up", "--data", "d", f"--port={value}", cwd=tmp_path)

    assert ended.code == 5
    assert f"--port {value} is not a port" in the_one_line_of(ended)


def test_one_port_for_two_services_is_refused(tmp_path):
    ended = ugc("up", "--data", "d", "--port", "9000", cwd=tmp_path)  # ClickHouse's default

    assert ended.code == 5
    assert "--port and --clickhouse-port are both 9000" in the_one_line_of(ended)


def test_ephemeral_with_a_directory_is_a_contradiction(tmp_path):
    ended = ugc("up", "--ephemeral", "--data", "d", cwd=tmp_path)

    assert ended.code == 2
    assert "--ephemeral" in ended.err


@pytest.mark.parametrize("place", ["/dev/null/ugc", "a-file"])
def test_a_data_directory_that_cannot_be_made_is_refused(tmp_path, place):
    (tmp_path / "a-file").write_text("mine")

    ended = ugc("up", "--data", place, *FREE_PORTS, cwd=tmp_path)

    assert ended.code == 5
    line = the_one_line_of(ended)
    assert place in line
    assert "choose another --data" in line
    assert (tmp_path / "a-file").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_directory_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "d").mkdir(mode=0o500)

    ended = ugc("up", "--data", "d", *FREE_PORTS, cwd=tmp_path)

    assert ended.code == 5
    assert "choose another --data" in the_one_line_of(ended)


def test_a_lock_that_cannot_be_opened_is_refused(tmp_path):
    (tmp_path / "d" / "up.lock").mkdir(parents=True)

    ended = ugc("up", "--data", "d", *FREE_PORTS, cwd=tmp_path)

    assert ended.code == 5
    assert "choose another --data" in the_one_line_of(ended)


def test_a_damaged_log_stops_the_start_with_the_way_out(start, tmp_path):
    running = start()
    assert running.end() == 0
    log = running.data / "log.db"
    damaged = b"\x99" * 512 + log.read_bytes()[512:]
    log.write_bytes(damaged)

    ended = ugc("up", "--data", str(running.data), *FREE_PORTS, "--json", cwd=tmp_path)

    assert ended.code == 1
    line = the_one_line_of(ended)
    assert str(log) in line
    assert "damaged" in line
    assert "start with a new data directory" in line
    assert log.read_bytes() == damaged


# --- how it ends


def journal_is_the_warehouse(journal: Journal, up: Up) -> None:
    """Compare sets of ids: nothing acknowledged is lost, nothing comes from nowhere."""
    stored = up.stored(list(journal.accepted))
    assert len(stored) == len(set(stored))
    assert journal.accepted <= set(stored) <= journal.attempted.keys()
    journal.retry_unknown(up)
    assert set(up.stored(list(journal.attempted))) == journal.attempted.keys()


def accept(journal: Journal, many: int) -> None:
    """Wait until so many reports are accepted."""
    until(lambda: len(journal.accepted) >= many, f"{many} reports are accepted")


def gone(children: dict[str, psutil.Process]) -> bool:
    return not any(
        child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children.values()
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_is_clean_and_keeps_what_was_accepted(start, number):
    journal, first = Journal(), start()
    children = first.children()
    with load(first, journal):
        accept(journal, 300)

        code = first.end(number)

    assert code == 0
    assert gone(children)
    assert children.keys() == set(SERVICES)
    assert first.err.endswith("Stopping …\nStopped.\n")
    assert not (first.data / "run.json").exists()
    journal_is_the_warehouse(journal, start())


def test_killed_under_load_it_takes_its_children_along_and_starts_again_at_once(start):
    journal = Journal()
    running = start()
    for enough in (200, 400, 600):
        children = running.children()
        assert children.keys() == set(SERVICES)
        with load(running, journal):
            accept(journal, enough)

            running.kill()

            running = start(wait=False)  # at once, whatever the children still do
        running.says("}")
        assert gone(children)

    journal_is_the_warehouse(journal, running)


EMPTY = ("views_raw", "playback", "resume_points")


def test_after_an_unclean_stop_the_warehouse_gets_back_what_it_has_lost(start):
    """A power cut that takes rows along cannot be had here: they are removed by hand."""
    journal, first = Journal(), start()
    with load(first, journal):
        accept(journal, 300)
    first.stored(journal.accepted)
    for table in EMPTY:
        first.rows(f"TRUNCATE TABLE {table}")

    first.kill()

    second = start()
    second.says("What the log holds is stored, every report once.")
    journal_is_the_warehouse(journal, second)
    (resumed,) = second.rows("SELECT count() FROM resume_points FINAL")[0]
    assert resumed > 0
    assert second.end() == 0
    assert not (second.data / "unclean").exists()


def test_a_recovery_that_is_cut_short_is_made_up_for_by_the_next_start(start):
    journal, first = Journal(), start()
    with load(first, journal):
        accept(journal, 300)
    first.stored(journal.accepted)
    first.rows("TRUNCATE TABLE views_raw")
    first.kill()
    second = start(wait=False)
    second.says("storing what the log holds once more")
    second.kill()

    third = start()

    third.says("What the log holds is stored, every report once.")
    journal_is_the_warehouse(journal, third)


def test_after_a_clean_stop_nothing_is_stored_again(start):
    journal, first = Journal(), start()
    with load(first, journal):
        accept(journal, 50)
    first.stored(journal.accepted)
    first.rows("TRUNCATE TABLE views_raw")
    assert first.end() == 0

    second = start()

    assert second.end() == 0
    assert "once more" not in second.err


def test_each_service_that_is_killed_under_load_comes_back_and_nothing_is_lost(start):
    journal, running = Journal(), start()
    with load(running, journal):
        for name in (*SERVICES, *SERVICES):
            victim = running.children()[name]

            victim.kill()

            until(partial(is_back, running, name, victim), f"{name} is back")
            accept(journal, len(journal.accepted) + 100)
        assert running.process.poll() is None
    for name in ("chdb-server", "ugc-api", "ugc-etl"):
        assert f"{name} ended (signal 9); starting it again in" in running.err

    journal_is_the_warehouse(journal, running)
    assert running.end() == 0


@pytest.mark.parametrize("name", ["chdb_server", "ugc_etl"])
def test_reports_are_accepted_while_another_service_is_down(start, name):
    """`ugc up` itself is held, so that the service stays down for as long as we look."""
    journal, running = Journal(), start()
    victim = running.children()[name]
    with load(running, journal):
        running.process.send_signal(signal.SIGSTOP)
        try:
            victim.kill()
            until(lambda: gone({name: victim}), f"{name} is down")
            accept(journal, len(journal.accepted) + 200)
        finally:
            running.process.send_signal(signal.SIGCONT)
        until(partial(is_back, running, name, victim), f"{name} is back")
    assert journal.failures == []

    journal_is_the_warehouse(journal, running)


def is_back(running: Up, name: str, victim: psutil.Process) -> bool:
    """Say whether the service runs again, and answers."""
    child = running.children().get(name)
    if child is None or child.pid == victim.pid:
        return False
    try:
        if name == "ugc_api":
            return httpx.get(f"{running.url}/livez").status_code == 200
        return name == "ugc_etl" or running.rows("SELECT 1") == [(1,)]
    except (httpx.TransportError, clickhouse_driver.errors.Error, EOFError):
        return False


def test_an_ephemeral_system_leaves_nothing_behind(tmp_path, keep):
    temporary, folder = tmp_path / "tmp", tmp_path / "work"
    temporary.mkdir()
    arguments = [UGC, "up", "--ephemeral", *FREE_PORTS, "--json"]
    running = keep(Running(arguments=arguments, folder=folder, env={"TMPDIR": str(temporary)}))
    shown = json.loads(running.says("}"))
    assert Path(shown["data"]).parent == temporary
    assert "event_id" in curl(shown["curl"]).json()

    assert running.end(signal.SIGINT) == 0

    assert list(temporary.iterdir()) == []
    assert {path.name for path in folder.iterdir()} == {"stdout.txt", "stderr.txt"}


def test_ctrl_c_at_any_moment_of_the_start_ends_it_cleanly(start):
    for stage in ("nothing", *SERVICES):
        running = start(wait=False)
        running.says("Starting in")
        if stage in SERVICES:
            until(lambda: stage in running.children(), f"{stage} is started")  # noqa: B023
        children = running.children()

        code = running.end(signal.SIGINT)

        assert code == 0, (stage, running.err)
        assert gone(children), stage
        assert re.fullmatch(r"Starting in .* …\n(Stopping …\n)?Stopped\.\n", running.err)
        assert not (running.data / "run.json").exists()

    assert start().end() == 0


# --- what a person sees


@contextmanager
def terminal(arguments, *, folder: Path, until_it: str, env=None) -> Iterator[list[str]]:
    """Run a program on a terminal of its own until it says something; then press Ctrl-C."""
    master, slave = pty.openpty()
    shown: list[str] = []
    size = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        env=clean_environment({**size, **(env or {})}),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    os.set_blocking(master, False)

    def read() -> bool:
        try:
            shown.append(os.read(master, 65_536).decode())
        except BlockingIOError:
            pass
        except OSError:  # nobody holds the other end any more
            return True
        return until_it in "".join(shown)

    try:
        until(read, f"it says {until_it}", within_s=40)
        yield shown
        process.send_signal(signal.SIGINT)
        until(lambda: read() and process.poll() is not None, "it has stopped", within_s=40)
    finally:
        process.kill()
        process.wait(10)
        os.close(master)


def test_in_a_pipe_the_banner_has_every_address_whole_and_no_escape_codes(tmp_path, keep):
    folder = tmp_path / ("a-long-name-for-a-directory-" * 4)
    arguments = [UGC, "up", *FREE_PORTS]
    running = keep(Running(arguments=arguments, folder=folder, env={"COLUMNS": "80"}))
    text = running.says("Ctrl-C stops")
    found = json.loads((folder / ".ugc" / "run.json").read_text())
    root = found["api_url"]
    lines = [line.strip() for line in text.splitlines()]

    for address in (f"{root}/api/v1/", f"{root}/api/docs", f"{root}/metrics"):
        assert address in text.split()
    assert found["settings"]["warehouse.url"].split("/")[2] in text.split()
    for path in (".ugc", ".ugc/secrets", ".ugc/logs"):
        assert str(folder / path) in text.split()
    assert "for development" in text
    report, read_back = (line for line in lines if line.startswith("curl "))
    assert "event_id" in curl(report).json()
    until(lambda: curl(read_back).json().get("progress") == 120, "it is read back")
    token = next(line for line in lines if re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", line))
    assert token in report
    look = next(line for line in lines if line.startswith("ugc query "))
    _, *words = shlex.split(look)
    assert ugc(*words, cwd=folder).out.count("\n") == 2
    assert ESCAPE not in text + running.err
    assert running.end(signal.SIGINT) == 0


def test_a_small_terminal_shows_the_addresses_last_and_no_colour_if_none_is_wanted(tmp_path):
    arguments = [UGC, "up", *FREE_PORTS]
    with terminal(arguments, folder=tmp_path, env={"NO_COLOR": "1"}, until_it="Ctrl-C stops") as up:
        text = "".join(up)

    screen = [re.sub(r"\x1b\[[\d;]*m", "", line).strip() for line in text.splitlines()[-24:]]
    names = ("UGC is up", "API ", "API docs", "Metrics", "ClickHouse", "Data", "Secrets", "Logs")
    for name in names:
        assert any(line.startswith(name) for line in screen), name
    assert ESCAPE in text
    assert not COLOUR.search(text)


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_an_error_is_red_on_a_terminal_unless_no_colour_is_wanted(tmp_path, env, coloured):
    arguments = [UGC, "status", "--data", "nowhere"]
    with terminal(arguments, folder=tmp_path, env=env, until_it="URL") as shown:
        text = "".join(shown)

    assert "error: no `ugc up` is running" in text
    assert bool(COLOUR.search(text)) is coloured
