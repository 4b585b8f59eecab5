"""What a person sees of `ugc up`, in a pipe and on a terminal."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.curls import curl
from tests.e2e.systems import (
    FREE_PORTS,
    UGC,
    Running,
    clean_environment,
    ugc,
    until,
)

ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|38|9[0-7])")


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
