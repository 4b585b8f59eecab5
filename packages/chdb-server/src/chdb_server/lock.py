"""One server a directory."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chdb_server.errors import BusyError, UnusableError

LOCK_FILE = "chdb-server.lock"

ENGINE_LOCK_FILE = "status"
"""chDB's own; a program that opened the directory without this server holds it."""


@contextmanager
def directory_lock(directory: Path) -> Iterator[None]:
    """Make the directory if need be, and keep others out until the block ends.

    The lock is the system's, so it ends with the process, however that ends: a file left
    behind by a crash locks nothing.

    Raises:
        BusyError: Another process has the directory.
        UnusableError: It cannot be made or written to.
    """
    descriptor = _opened(directory)
    try:
        if not _locks(descriptor) or _held_by_another(directory / ENGINE_LOCK_FILE):
            msg = (
                f"{directory} is in use by another process{_holder(directory)};"
                " stop it, or choose another directory with --data"
            )
            raise BusyError(msg)
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def _opened(directory: Path) -> int:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)  # others may not read the data
        return os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        reason = "not a directory" if directory.is_file() else error.strerror
        msg = f"cannot use {directory} as the data directory: {reason}"
        raise UnusableError(msg) from error


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            return False
        raise
    return True


def _held_by_another(path: Path) -> bool:
    """Whether another process holds a lock on the file; looking takes none."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:  # not there, as a rule; else the engine will say what is wrong
        return False
    try:
        return not _locks(descriptor)
    finally:
        os.close(descriptor)


def _holder(directory: Path) -> str:
    """Who wrote the file, for the message; a number is all that may be in it."""
    text = (directory / LOCK_FILE).read_text("ascii", "replace")
    return f" (pid {text})" if text.isdecimal() else ""
