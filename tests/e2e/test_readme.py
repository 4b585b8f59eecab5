"""The README's commands do what it says, in a fresh copy of this checkout."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.systems import ROOT, Running, clean_environment, until

pytestmark = pytest.mark.timeout(300)

FENCE = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PORT = "8000"
INSTALL_S = 240.0


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    """The commands, in their order: run it, test it, report, look."""
    return FENCE.findall((ROOT / "README.md").read_text("utf-8"))


@pytest.fixture(scope="module")
def clone(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a clone would hold if everything that is not ignored were committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    folder = tmp_path_factory.mktemp("clone")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    yield folder
    shutil.rmtree(folder / ".venv", ignore_errors=True)  # a gigabyte, if not for hard links


@pytest.fixture
def environment() -> dict[str, str]:
    """A shell in which `python3` is the Python that runs the tests."""
    here = Path(sys.executable).parent
    return clean_environment({"PATH": f"{here}{os.pathsep}{os.environ['PATH']}"})


def shell(script: str, *, cwd: Path, env: dict[str, str], within_s: float = 60.0):
    return subprocess.run(
        ["sh", "-ec", script],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )


def free_ports() -> tuple[int, int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return one.getsockname()[1], two.getsockname()[1]


def test_there_are_two_commands_and_lines_to_go_on_with(blocks):
    up, tests, report, look = blocks

    assert all(block.count("\n") == 1 for block in (up, tests))
    assert up.endswith("ugc up\n")
    assert tests.endswith("pytest\n")
    assert f"http://127.0.0.1:{PORT}/" in report
    assert f"http://127.0.0.1:{PORT}/" in look


@pytest.mark.skipif(not shutil.which("curl"), reason="the README's lines need curl")
def test_the_system_starts_by_one_command_and_its_lines_work(clone, environment, blocks, keep):
    """As written; only the ports are other ones, since the usual ones may be taken here."""
    command, _, report, look = blocks
    port, clickhouse_port = free_ports()
    started = f"{command.strip()} --port {port} --clickhouse-port {clickhouse_port}"
    report, look = (block.replace(f":{PORT}/", f":{port}/") for block in (report, look))
    export = next(line for line in report.splitlines() if line.startswith("export TOKEN="))
    running = keep(Running(arguments=["sh", "-c", started], folder=clone, env=environment))
    running.says("Ctrl-C stops", within_s=INSTALL_S)

    sent = shell(report, cwd=clone, env=environment)

    assert sent.returncode == 0, sent.stderr
    event = json.loads(sent.stdout)
    assert event["receipt"].keys() == {"partition", "offset", "line"}

    def looked():
        done = shell(f"{export}\n{look}", cwd=clone, env=environment)
        assert done.returncode == 0, done.stderr
        there = '"progress":120' in done.stdout and "behind" not in done.stdout
        return done.stdout if there else None

    shown = until(looked, "the report is read back") or ""
    point, rest = json.JSONDecoder().raw_decode(shown)
    assert (point["progress"], point["total"]) == (120, 5400)
    header, row, *states = shown[rest:].strip().splitlines()
    assert header.split("\t") == ["film_id", "user_id", "progress_ms", "event_time"]
    assert row.split("\t")[0] == point["film_id"]
    assert [line.split()[:2] for line in states] == [
        [name, "ok"] for name in ("api", "log", "pipeline", "warehouse")
    ]
    os.killpg(running.process.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
    running.process.wait(40)
    until(lambda: "Stopped." in running.err, "it has stopped")
    assert (clone / ".ugc" / "log.db").exists()


def test_the_tests_start_by_one_command_which_is_what_ci_runs(clone, environment, blocks):
    """It only collects here: running them would run this test, too."""
    command = blocks[1].strip()
    ci = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()

    collected = shell(
        f"{command} --collect-only -q", cwd=clone, env=environment, within_s=INSTALL_S
    )

    assert command.split(" && ")[-1] in ci
    assert collected.returncode == 0, (collected.stdout + collected.stderr)[-1500:]
    assert re.search(r"\d{3,} tests collected", collected.stdout)
