"""Where the counts of a process lie, and what all workers of a service have counted together.

Workers of one service (`uvicorn --workers 4`) share a folder in memory. Each has a file of its
own there, mapped and locked while it lives; the kernel lets go of the lock however it ends, and
what it has counted stays. Whoever is scraped adds up the files, so counters never go back.
"""

import errno
import fcntl
import mmap
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import structlog
from msgspec import Struct

from ugc_api.operating.slots import SIZE, Series, Slots, read

Totals = dict[Series, list[float]]
"""Every series, summed."""

_ENDED: Final = "ended.json"
_LOCK: Final = "lock"
_SUFFIX: Final = ".counts"
_log = structlog.get_logger()


class _Told(Struct, frozen=True, kw_only=True):
    """What those that have ended leave: their files, and their sums as family, labels, values."""

    files: set[str]
    rows: list[list[Any]]


_decode = msgspec.json.Decoder(_Told).decode


class Counts(Protocol):
    """Where a process counts, and what is known together."""

    slots: Slots

    def totals(self) -> Totals:
        """Return what was counted, by all workers; it never waits."""

    def pids(self) -> Sequence[int]:
        """Return the processes that count now, where there may be several."""


class OwnCounts:
    """Counts of this process alone."""

    def __init__(self) -> None:
        """Start at zero."""
        self._memory = bytearray(SIZE)
        self.slots = Slots(self._memory)

    def totals(self) -> Totals:
        """Return what this process has counted."""
        return _counted(self._memory)

    def pids(self) -> Sequence[int]:
        """Return nothing: there is one process, and it needs no telling apart."""
        return ()


class SharedCounts:
    """Counts of this process in a folder where its fellows find them."""

    def __init__(self, folder: Path, memory: mmap.mmap) -> None:
        """Count in `memory`, a file of `folder`; see `share`."""
        self._folder = folder
        self._memory = memory
        self.slots = Slots(memoryview(memory))
        self._last: Totals = {}

    def totals(self) -> Totals:
        """Return what all have counted; while one joins, what was known last."""
        try:
            with _turn(self._folder, fcntl.LOCK_SH | fcntl.LOCK_NB):
                self._last = _summed(self._folder)
        except BlockingIOError:
            pass
        except OSError as error:
            _log.warning("counts of the other workers not read", reason=str(error))
            if isinstance(error, FileNotFoundError):  # the folder is gone; else counters go back
                self._last = {}
        return self._last or _counted(self._memory[:])

    def pids(self) -> Sequence[int]:
        """Return the workers that live."""
        return [
            int(path.name.partition("-")[0])
            for path in sorted(self._folder.glob(f"*{_SUFFIX}"))
            if _is_held(path)
        ]


@contextmanager
def share(folder: Path) -> Iterator[SharedCounts]:
    """Join the workers of `folder`; what those counted that have ended is put together first.

    Raises:
        OSError: The folder cannot be used, or there is no room in it.
    """
    with _turn(folder, fcntl.LOCK_EX):
        _put_together(folder)
        path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        file = path.open("x+b", buffering=0)
        with file:
            # Written, not only made long: where there is no room it fails here, while a write to
            # a page that cannot be had would kill the process.
            if file.write(bytes(SIZE)) != SIZE:  # there was room for a part
                path.unlink()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            fcntl.flock(file, fcntl.LOCK_EX)
            counts = SharedCounts(folder, mmap.mmap(file.fileno(), SIZE))
            held = os.dup(file.fileno())
    try:
        yield counts
    finally:
        fcntl.flock(held, fcntl.LOCK_UN)
        os.close(held)


@contextmanager
def _turn(folder: Path, how: int) -> Iterator[None]:
    """Hold the folder: shared to read it, alone to change which files there are."""
    with (folder / _LOCK).open("ab") as file:
        fcntl.flock(file, how)
        yield


def _summed(folder: Path) -> Totals:
    """Add up what lies in the folder; what is under way ends with its process."""
    found, folded = _ended(folder)
    for path in folder.glob(f"*{_SUFFIX}"):
        if path.name not in folded:
            _add(found, path.read_bytes(), living=_is_held(path))
    return found


def _put_together(folder: Path) -> None:
    """Replace the files of those that have ended by one.

    It names what it holds, so that a kill before the files are gone counts none of them twice.
    """
    found, folded = _ended(folder)
    every = list(folder.glob(f"*{_SUFFIX}"))
    folded &= {path.name for path in every}
    for path in every:
        if path.name not in folded and not _is_held(path):
            _add(found, path.read_bytes(), living=False)
            folded.add(path.name)
    rows = [[series.family, *series.labels, values] for series, values in found.items()]
    staged = folder / f"{_ENDED}.new"
    staged.write_bytes(msgspec.json.encode(_Told(files=folded, rows=rows)))
    staged.replace(folder / _ENDED)
    for path in every:
        if path.name in folded:
            path.unlink(missing_ok=True)


def _ended(folder: Path) -> tuple[Totals, set[str]]:
    """Return what those that have ended counted, and the names of their files."""
    try:
        told = _decode((folder / _ENDED).read_bytes())
        rows = {
            Series(family=family, labels=tuple(labels)): values
            for family, *labels, values in told.rows
        }
    except FileNotFoundError:
        return {}, set()
    except (msgspec.DecodeError, ValueError) as error:  # cut off, as a power cut may leave it
        _log.warning("counts of ended workers are lost", reason=str(error))
        return {}, set()
    return rows, told.files


def is_in_use(folder: Path) -> bool:
    """Say whether a worker counts there."""
    return any(_is_held(path) for path in folder.glob(f"*{_SUFFIX}"))


def _is_held(path: Path) -> bool:
    """Say whether the process that counts there lives."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _counted(memory: bytes | bytearray) -> Totals:
    found: Totals = {}
    _add(found, memory, living=True)
    return found


def _add(totals: Totals, data: bytes | bytearray, *, living: bool) -> None:
    for series, values in read(bytes(data)):
        if series.momentary and not living:
            continue
        before = totals.get(series)
        totals[series] = (
            list(values) if before is None else [a + b for a, b in zip(before, values, strict=True)]
        )
