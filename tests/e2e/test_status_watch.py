"""`ugc status` again and again, and on a terminal of 80 columns."""

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import time
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any
from uuid import uuid4

from tests.e2e.systems import COMMAND_S, UGC, Running, Up, clean_environment, ugc, until

FILM = "3d825f60-9fff-4dfe-b294-1a45fa1e115d"
_SIGNS = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
Keep = Callable[[Running], Running]


def stored(up: Up) -> None:
    with up.client(uuid4()) as client:
        body = {"progress": 1, "total": 2}
        answer = client.post(f"/api/v1/progresses/films/{FILM}/", json=body).json()
    up.stored([answer["event_id"]])


def document(up: Up) -> dict[str, Any]:
    ended = ugc("status", "--json", "--data", str(up.data), cwd=up.data.parent)
    found: dict[str, Any] = json.loads(ended.out)
    return found


def on_a_terminal(up: Up, *words: str, looks: int = 0) -> str:
    """Run it on a terminal of 80 columns; after so many looks press Ctrl-C."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    process = subprocess.Popen(
        [UGC, "status", "--data", str(up.data), *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean_environment({"TERM": "xterm", "NO_COLOR": "1"}),
        cwd=up.data.parent,
    )
    os.close(theirs)
    found, until_s = b"", time.monotonic() + COMMAND_S
    try:
        while time.monotonic() < until_s:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                found += os.read(ours, 65_536)
            except OSError:  # the program has ended
                break
            if looks and found.count(b"versions") >= looks:
                process.send_signal(signal.SIGINT)
                looks = 0  # once is enough
        assert process.wait(COMMAND_S) == 0, found
    finally:
        process.kill()
        os.close(ours)
    return found.decode()


def test_a_terminal_of_80_columns_shows_every_part_and_its_tables(up: Up):
    stored(up)

    text = on_a_terminal(up)

    lines = _SIGNS.sub("", text).splitlines()
    assert max(map(len, lines)) <= 80
    for words in (
        "api ",
        "log ",
        "pipeline ",
        "warehouse ",
        "versions ",
        "views_raw",
        "lag",
        "pid ",
    ):
        assert any(line.strip().startswith(words.strip()) for line in lines) or words in text
    assert "freshness" in text
    assert not re.search(r"\x1b\[[\d;]*3\dm", text)  # NO_COLOR


def test_watching_on_a_terminal_goes_on_until_ctrl_c(up: Up):
    assert on_a_terminal(up, "--watch", "--interval", "0.2", looks=3).count("versions") >= 3


def test_watching_in_a_pipe_is_a_line_or_a_document_each_time(up: Up, keep: Keep, tmp_path: Path):
    stored(up)
    words = ["status", "--watch", "--interval", "0.2", "--data", str(up.data)]
    lines = keep(Running(arguments=[UGC, *words], folder=tmp_path / "lines"))
    documents = keep(Running(arguments=[UGC, *words, "--json"], folder=tmp_path / "documents"))

    until(lambda: lines.out.count("\n") >= 2 and documents.out.count("\n") >= 2, "two looks each")

    assert (lines.end(signal.SIGINT), documents.end(signal.SIGINT)) == (0, 0)
    assert (lines.err, documents.err) == ("", "")
    assert re.match(r"20\S+ \S+Z api ok, log ok, pipeline \w+, warehouse ok, ", lines.out)
    found = [json.loads(line) for line in documents.out.splitlines()]
    assert all(one["warehouse"]["freshness_s"] >= 0 for one in found)
    assert found[0]["versions"]["ugc"]


def test_a_document_has_lag_age_parts_and_who_reads(up: Up):
    stored(up)
    until(lambda: document(up)["pipeline"]["lag"] == 0, "everything is committed")
    etl = up.children()["ugc_etl"]
    etl.suspend()
    try:
        with up.client(uuid4()) as client:
            client.post(f"/api/v1/progresses/films/{FILM}/", json={"progress": 1, "total": 2})
        shown = document(up)
    finally:
        etl.resume()

    pipeline = shown["pipeline"]
    assert (pipeline["state"], pipeline["lag"]) == ("behind", 1)
    assert pipeline["oldest_s"] > 0
    [late] = [one for one in pipeline["partitions"] if one["lag"]]
    assert late["high"] - (late["committed"] or 0) == 1
    [member] = pipeline["members"]
    assert member["client"] == f"pid {etl.pid}"
    assert (member["partitions"], member["lease_s"]) == ([0, 1, 2, 3], None)
    assert shown["versions"]["log"].startswith("sqlite 3.")
    views = shown["warehouse"]["tables"]["views_raw"]
    assert views["rows"] >= views["parts"] >= views["most"] >= 1
