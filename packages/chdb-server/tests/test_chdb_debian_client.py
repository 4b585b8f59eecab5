"""Debian's clickhouse-client 18.16: ClickHouse's own code, and a protocol of eight years ago."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import subprocess

import pytest

pytestmark = pytest.mark.clickhouse_client

CLIENT_S = 30


@pytest.fixture
def run(server, database, clickhouse_client):
    """Runs the client; returns what it printed."""

    def run_it(*flags: str, stdin: bytes = b"", code: int = 0) -> str:
        command = [clickhouse_client, "--port", str(server.port), "--database", database, *flags]
        done = subprocess.run(
            command, input=stdin, capture_output=True, timeout=CLIENT_S, check=False
        )
        assert done.returncode == code, done.stderr.decode()
        return (done.stdout or done.stderr).decode()

    return run_it


def test_a_result_is_printed(run):
    assert run("--query", "SELECT number, toString(number) FROM numbers(3)") == "0\t0\n1\t1\n2\t2\n"


def test_the_client_formats(run):
    assert run("--query", "SELECT 1 AS a, 'x' AS b FORMAT JSONEachRow") == '{"a":1,"b":"x"}\n'
    assert run("--format", "CSVWithNames", "--query", "SELECT 1 AS a WHERE 0") == '"a"\n'


@pytest.mark.parametrize("compression", ["0", "1"])
def test_rows_from_a_file_are_stored(run, compression):
    flags = ("--compression", compression)
    lines = b"".join(b"%d,text %d,2026-10-01\n" % (n, n) for n in range(100000))
    run("--query", "CREATE TABLE t (a UInt32, s String, d Date) ENGINE = MergeTree ORDER BY a")
    run(*flags, "--query", "INSERT INTO t FORMAT CSV", stdin=lines)

    found = run(*flags, "--query", "SELECT count(), sum(a), max(s), min(d) FROM t")
    assert found == "100000\t4999950000\ttext 99999\t2026-10-01\n"


def test_values_are_parsed_by_the_client(run):
    run("--query", "CREATE TABLE t (a UInt8, s String) ENGINE = Memory")
    run("--query", "INSERT INTO t (s, a) VALUES ('x;', 1), ('y', 2)")

    assert run("--query", "SELECT * FROM t ORDER BY a") == "1\tx;\n2\ty\n"


def test_settings_travel_in_the_old_way(run):
    """Numbers as varints, the rest as strings; a wrong guess loses the rest of the packet."""
    flags = ("--max_threads", "3", "--max_block_size", "100", "--load_balancing", "in_order")
    sql = "SELECT getSetting('max_threads'), getSetting('load_balancing')"

    assert run(*flags, "--query", sql) == "3\tin_order\n"


def test_an_error_is_shown_and_the_next_query_works(run):
    failed = run("--query", "SELECT * FROM nowhere", code=60)
    assert "Code: 60" in failed

    several = run(
        "--multiquery",
        "--ignore-error",
        stdin=b"SELECT * FROM nowhere; SELECT 1; SELECT 2;",
        code=60,
    )
    assert several == "1\n2\n"


def test_tables_are_listed(run):
    run("--query", "CREATE TABLE t (a UInt8) ENGINE = Memory")

    assert run("--query", "SHOW TABLES") == "t\n"
    assert run("--query", "DESCRIBE TABLE t").startswith("a\tUInt8")
    assert run("--query", "EXISTS TABLE nowhere") == "0\n"
