"""Files that must be whole, private or locked, against other processes."""

import os
import signal
import stat

import pytest

from tests.unit.ugc_core.children import child
from ugc_core.errors import InUseError
from ugc_core.files import lock, locked, owner, sync_directory, write_private

HOLDER = """
import sys
from pathlib import Path
from ugc_core.files import lock

with lock(Path(sys.argv[1]), what="it", then="wait"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path):
    """Hold the lock in another process."""
    return child(HOLDER, path, says="held")


def test_a_lock_that_another_process_holds_names_its_owner(tmp_path):
    path = tmp_path / "lock"
    with holder(path) as other:
        with pytest.raises(InUseError) as caught, lock(path, what="the group", then="stop it"):
            pytest.fail("not reached")

        assert str(caught.value) == (
            f"the group is in use by another process (pid {other.pid}); stop it"
        )
        assert locked(path)


def test_the_owner_of_a_lock_is_the_process_that_holds_it_now(tmp_path):
    path = tmp_path / "lock"
    assert owner(path) is None
    with holder(path) as other:
        assert owner(path) == other.pid

        other.kill()
        other.wait()

        assert owner(path) is None
    path.write_text(f"{os.getpid()}\n")  # left by a process whose number came round again
    assert owner(path) is None
    path.write_text("")
    assert owner(path) is None


def test_a_lock_is_free_when_its_holder_is_killed(tmp_path):
    path = tmp_path / "lock"
    with holder(path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()

        assert not locked(path)
        with lock(path, what="it", then="wait"):
            assert path.read_text("ascii") == f"{os.getpid()}\n"


def test_a_lock_is_free_when_its_block_ends_even_badly(tmp_path):
    path = tmp_path / "lock"
    with pytest.raises(KeyError), lock(path, what="it", then="wait"):
        raise KeyError

    with lock(path, what="it", then="wait"):
        assert locked(path)
    assert not locked(path)


def test_a_second_lock_in_the_same_process_is_refused(tmp_path):
    path = tmp_path / "lock"
    with (
        lock(path, what="it", then="wait"),
        pytest.raises(InUseError, match=f"pid {os.getpid()}"),
        lock(path, what="it", then="wait"),
    ):
        pytest.fail("not reached")


def test_a_refused_lock_leaves_the_owners_id(tmp_path):
    path = tmp_path / "lock"
    with holder(path) as other:
        for _ in range(2):
            with (
                pytest.raises(InUseError, match=f"pid {other.pid}"),
                lock(path, what="it", then="wait"),
            ):
                pytest.fail("not reached")


def test_a_shorter_id_overwrites_a_longer_one(tmp_path):
    path = tmp_path / "lock"
    path.write_text("12345678901234567890\n", "ascii")

    with lock(path, what="it", then="wait"):
        assert path.read_text("ascii") == f"{os.getpid()}\n"


def test_a_lock_nobody_ever_took_is_free(tmp_path):
    assert not locked(tmp_path / "lock")
    assert not tmp_path.joinpath("lock").exists()


def test_a_lock_file_is_its_owners_alone(tmp_path):
    path = tmp_path / "lock"
    with lock(path, what="it", then="wait"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_private_file_is_its_owners_alone(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old and open", "utf-8")
    path.chmod(0o644)

    write_private(path, "new – é")

    assert path.read_text("utf-8") == "new – é"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_a_private_file_replaces_the_old_one_in_one_step(tmp_path):
    path = tmp_path / "secret"
    write_private(path, "old")
    with path.open(encoding="utf-8") as before:
        write_private(path, "new")

        assert before.read() == "old"
    assert path.read_text("utf-8") == "new"


def test_a_directory_that_is_missing_cannot_be_synced(tmp_path):
    sync_directory(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "missing")
