"""The process: its start, its end, and what survives."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import asyncio
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from asynch.errors import ServerException

ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
RUN_S = 30


def run_server(*flags: str) -> subprocess.CompletedProcess[str]:
    """For servers that are not to start."""
    command = [sys.executable, "-m", "chdb_server", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False)


def test_one_line_says_that_it_is_ready(launch):
    server = launch()

    assert re.fullmatch(
        r"chdb-server ready on 127\.0\.0\.1:\d+ \(ClickHouse 26\.9\.\d+\.\d+\)\n", server.ready_line
    )
    assert server.stop() == 0
    assert server.process.stdout.read() == ""
    assert server.stderr.read_text() == ""


def catches(pid: int, number: int) -> bool:
    """Whether the process handles the signal, rather than dying of it."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (number - 1) & 1)


def test_a_signal_while_the_store_opens_is_not_lost(tmp_path):
    command = [sys.executable, "-m", "chdb_server", "--data", str(tmp_path / "d"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not catches(process.pid, signal.SIGTERM):
            assert process.poll() is None
        process.terminate()
        process.communicate(timeout=RUN_S)

    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_idle_clients_do_not_hold_up_the_end(launch, number):
    server = launch()
    async with server.raw(), server.connect() as client:
        await client.ask("SELECT 1")

        assert await asyncio.to_thread(server.stop, number) == 0


async def test_a_running_query_ends_before_the_server_does(launch, until):
    server = launch()
    slow = "SELECT number, sleepEachRow(0.1) FROM numbers(10) SETTINGS max_block_size = 1"
    async with server.connect() as client:
        answer = asyncio.create_task(client.ask(slow))

        async def runs():
            return await server.running("sleepEachRow")

        await until(runs)
        ended = asyncio.create_task(asyncio.to_thread(server.stop))

        assert await answer == [(number, 0) for number in range(10)]
        assert await ended == 0


async def test_an_insert_being_sent_is_stored_before_the_server_ends(launch, until):
    server = launch()
    await server.rows("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    async with server.raw() as client:
        client.query("INSERT INTO t VALUES")
        client.end()
        await client.packet()
        ended = asyncio.create_task(asyncio.to_thread(server.stop))

        async def refuses():
            try:
                async with server.raw():
                    return False
            except (OSError, EOFError):  # the latter if it was accepted just before
                return True

        await until(refuses)
        client.block(b"\x01\x01\x01a\x05UInt8\x07")
        client.end()

        assert (await client.last_packet()).code == 0
        assert await ended == 0
    again = launch(data=server.data)
    assert await again.rows("SELECT a FROM t") == [(7,)]
    again.stop()


async def test_a_query_past_the_deadline_is_stopped(launch, until):
    server = launch("--shutdown-s", "0.1")
    async with server.connect() as client:
        answer = asyncio.create_task(client.ask(ENDLESS))

        async def runs():
            return await server.running("sipHash64")

        await until(runs)
        assert await asyncio.to_thread(server.stop) == 0
        with pytest.raises(ServerException) as caught:
            await answer

    assert caught.value.code == 394
    assert "deadline" in server.stderr.read_text()


async def test_a_client_that_stays_silent_in_mid_insert_does_not_hold_up_the_end(launch):
    server = launch("--shutdown-s", "0.1")
    await server.rows("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    async with server.raw() as client:
        client.query("INSERT INTO t VALUES")
        client.end()
        await client.packet()

        assert await asyncio.to_thread(server.stop) == 0


async def test_acknowledged_rows_survive_kill_9(launch):
    server = launch()
    await server.rows("CREATE TABLE t (batch UInt32, n UInt32) ENGINE = MergeTree ORDER BY batch")
    acknowledged: list[int] = []
    enough = asyncio.Event()

    async def write(first: int) -> None:
        async with server.connect() as client:
            for batch in range(first, 1_000_000, 3):
                rows = [(batch, n) for n in range(1000)]
                await client.put("INSERT INTO t (batch, n) VALUES", rows)
                acknowledged.append(batch)
                if len(acknowledged) >= 40:
                    enough.set()

    writers = [asyncio.create_task(write(first)) for first in range(3)]
    await enough.wait()
    server.process.kill()
    server.process.wait(RUN_S)
    await asyncio.gather(*writers, return_exceptions=True)

    again = launch(data=server.data)
    found = dict(await again.rows("SELECT batch, count() FROM t GROUP BY batch"))
    assert set(acknowledged) <= set(found)
    assert set(found.values()) == {1000}
    assert again.stop() == 0


async def test_a_password_is_asked_for(launch):
    server = launch(password="let me in")

    assert await server.rows("SELECT 1") == [(1,)]
    for wrong in ("", "let me", "let me in "):
        with pytest.raises(ServerException) as caught:
            await server.rows("SELECT 1", password=wrong)
        assert caught.value.code == 516
    assert server.stop() == 0
    assert "let me" not in server.stderr.read_text()


def test_a_directory_in_use_is_named(server):
    done = run_server("--data", str(server.data), "--port", "0")

    assert (done.returncode, done.stdout) == (5, "")
    assert re.fullmatch(
        rf"chdb-server: {server.data} is in use by another process \(pid {server.process.pid}\);"
        r" stop it, or choose another directory with --data\n",
        done.stderr,
    )


def test_a_directory_that_another_chdb_program_holds_is_named(tmp_path):
    hold = (
        "import chdb, sys; c = chdb.connect(sys.argv[1]); print('held', flush=True);"
        " sys.stdin.read(); c.close()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        done = run_server("--data", str(tmp_path), "--port", "0")
        process.stdin.close()

    assert done.returncode == 5
    assert f"{tmp_path} is in use" in done.stderr


def test_a_port_in_use_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_server("--data", str(tmp_path), "--port", str(port))

    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == (
        f"chdb-server: 127.0.0.1:{port} is in use by another process;"
        " stop it, or choose another --port\n"
    )


def test_an_address_of_another_machine_is_named(tmp_path):
    (tmp_path / "password").write_text("x")
    password = ("--password-file", str(tmp_path / "password"))
    done = run_server("--data", str(tmp_path / "data"), "--host", "192.0.2.1", *password)

    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot listen on 192.0.2.1:9000" in done.stderr


def test_a_file_is_no_data_directory(tmp_path):
    (tmp_path / "file").touch()
    done = run_server("--data", str(tmp_path / "file"), "--port", "0")

    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot use {tmp_path / 'file'}" in done.stderr
    assert done.stderr.count("\n") == 1


async def test_damaged_definitions_are_reported_in_one_line(launch):
    server = launch()
    await server.rows("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    server.stop()
    (definition,) = server.data.glob("store/*/*/t.sql")
    definition.write_text("no SQL at all")

    done = run_server("--data", str(server.data), "--port", "0")

    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot open the store in {server.data}" in done.stderr
    assert str(definition.name) in done.stderr
    assert done.stderr.count("\n") == 1


async def test_damaged_rows_are_warned_of(launch):
    server = launch()
    await server.rows("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    await server.rows("INSERT INTO t SELECT 1")
    server.stop()
    (part,) = server.data.glob("store/*/*/all_*/checksums.txt")
    part.write_text("no checksums at all")

    again = launch(data=server.data)

    assert again.stop() == 0
    assert "damaged parts set aside: 1;" in again.stderr.read_text()


def test_wrong_flags_exit_with_2():
    assert run_server("--port", "1").returncode == 2


async def test_neither_sql_nor_rows_are_logged(launch):
    server = launch()
    async with server.connect() as client:
        with pytest.raises(ServerException):
            await client.ask("SELECT 'secret' FROM nowhere")
    async with server.raw() as raw:
        raw.query("SELECT 'secret'")
        raw.send(b"\x63secret")
        await raw.last_packet()
    server.stop()

    assert "secret" not in server.stderr.read_text()
