"""`ugc up` where it cannot start: one line says why, and what to do."""

import os
import socket

import httpx
import pytest

from tests.e2e.systems import FREE_PORTS, SERVICES, Ended, Up, ugc


def the_one_line_of(ended: Ended) -> str:
    """Return the one line that explains why the start failed."""
    lines = [line for line in ended.err.splitlines() if not line.startswith("Starting in ")]
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("error: ")
    assert ended.out == ""
    return lines[0]


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
