"""A child never outlives whoever started it."""

import os
import subprocess
import sys
import time

import pytest

COMMAND = [sys.executable, "-m", "ugc_cli.die_with_parent"]


def test_it_becomes_the_command():
    said = [sys.executable, "-c", "print('hello')"]

    done = subprocess.run(
        [*COMMAND, str(os.getpid()), *said], capture_output=True, text=True, timeout=20, check=True
    )

    assert done.stdout == "hello\n"


def test_with_its_parent_gone_it_does_not_start_the_command(tmp_path):
    touch = [sys.executable, "-c", f"open({str(tmp_path / 'x')!r}, 'w')"]

    done = subprocess.run([*COMMAND, "1", *touch], timeout=20, check=False)

    assert done.returncode == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does it on Linux alone")
def test_it_is_killed_with_its_parent():
    parent = f"""
import os, subprocess, sys, signal
command = {COMMAND!r} + [str(os.getpid()), sys.executable, "-c",
    "import signal; print('up', flush=True); signal.pause()"]
child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run(
        [sys.executable, "-c", parent], capture_output=True, text=True, timeout=20, check=False
    )

    child, deadline = int(ended.stdout), time.monotonic() + 20
    while _runs(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
