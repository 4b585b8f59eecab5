"""Files that must be whole, private or locked."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ugc_core.errors import InUseError


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner can read it."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_directory(path.parent)


@contextmanager
def lock(path: Path, *, what: str, then: str) -> Iterator[int]:
    """Hold a file for this process alone, and yield its descriptor.

    The kernel lets go of it with the process; a child that inherits the descriptor goes on
    holding it.

    Args:
        path: The lock file; it is made, holds the owner's process id, and stays behind.
        what: What the lock stands for, for the error.
        then: What the reader of the error can do.

    Raises:
        InUseError: Another process holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(handle, 20).decode("ascii", "replace").strip() or "unknown"
            msg = f"{what} is in use by another process (pid {owner}); {then}"
            raise InUseError(msg) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield handle
    finally:
        os.close(handle)


def locked(path: Path) -> bool:
    """Say whether some process holds the lock file now."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def owner(path: Path) -> int | None:
    """Return the process that holds the lock file now; None if nobody does.

    Where the process that is noted there has ended, the lock is not touched: one that takes
    it in this very moment would fail.
    """
    try:
        pid = int(path.read_text("ascii"))
    except (FileNotFoundError, ValueError):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # somebody else's process, and alive
    return pid if locked(path) else None
