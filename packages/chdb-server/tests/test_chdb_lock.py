# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import subprocess
import sys
from pathlib import Path

import pytest

from chdb_server.errors import BusyError, UnusableError
from chdb_server.lock import LOCK_FILE, directory_lock

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def held_by_another(path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_directory_is_made(tmp_path):
    with directory_lock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", [LOCK_FILE, "status"])
def test_another_holder_is_named_by_directory(tmp_path, name):
    with (
        held_by_another(tmp_path / name) as process,
        pytest.raises(BusyError, match=str(tmp_path)),
        directory_lock(tmp_path),
    ):
        pass
    assert process.returncode == 0


def test_a_holder_that_was_killed_holds_nothing(tmp_path):
    with held_by_another(tmp_path / LOCK_FILE) as process:
        process.kill()
        process.wait()
    assert (tmp_path / LOCK_FILE).exists()

    with directory_lock(tmp_path):
        pass


def test_the_holder_says_who_it_is(tmp_path):
    with (
        directory_lock(tmp_path),
        pytest.raises(BusyError, match=r"\(pid \d+\)"),
        directory_lock(tmp_path),
    ):
        pass


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(UnusableError, match="not a directory"), directory_lock(tmp_path / "file"):
        pass


def test_a_place_that_cannot_be_written_is_named():
    place = Path("/proc/nowhere")

    with pytest.raises(UnusableError, match="/proc/nowhere"), directory_lock(place):
        pass
