"""The folder in which the workers of one service share their counts."""

import multiprocessing
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import structlog

from ugc_api.operating.counts import Counts, OwnCounts, is_in_use, share
from ugc_core.errors import ConfigError

_NAME: Final = re.compile(r"ugc-api-(\d+)-(\d+)-(\d+)")
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own in it, mode 0700
"""In memory no increment waits for a disk that writes the page back."""
_VARIABLE: Final = "UGC_TELEMETRY__WORKERS_DIR"
_PROC: Final = Path("/proc/self/stat")
_log = structlog.get_logger()


@contextmanager
def open_counts(folder: Path | None) -> Iterator[Counts]:
    """Open the counts: shared if there is a folder, or if this is one of several workers.

    A worker is known by its parent having started it with `multiprocessing`, which is how uvicorn
    and granian do it. Servers that fork need a folder named.

    Args:
        folder: A folder that all workers of this service, and nobody else, are given; or None.

    Raises:
        ConfigError: The folder that was named cannot be used.
    """
    with ExitStack() as stack:
        counts: Counts = OwnCounts()
        try:
            if folder is not None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                counts = stack.enter_context(share(folder))
            elif (parent := multiprocessing.parent_process()) is not None:
                counts = stack.enter_context(share(_of_parent(parent.pid or 0)))
        except OSError as error:
            if folder is not None:
                msg = f"cannot share counts in {folder}: {error}; set another {_VARIABLE}"
                raise ConfigError(msg) from error
            _log.warning("each worker shows only its own metrics", reason=str(error))
        yield counts


def _of_parent(parent: int) -> Path:
    """Return the folder of a parent's workers; those of parents that are gone are removed.

    Raises:
        OSError: It cannot be made, or somebody else has made it.
    """
    base = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    for left in base.glob(f"ugc-api-{os.getuid()}-*"):
        named = _NAME.fullmatch(left.name)
        if named is None or _began(int(named[2])) == named[3]:
            continue
        if not is_in_use(left):  # a parent in another container looks as if it were gone
            shutil.rmtree(left, ignore_errors=True)
    folder = base / f"ugc-api-{os.getuid()}-{parent}-{_began(parent)}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        msg = f"{folder} belongs to somebody else, or is open to others"
        raise PermissionError(msg)
    return folder


def _began(process: int) -> str:
    """Return when a process began, so that a number that is given anew is not taken for it."""
    try:
        told = Path(f"/proc/{process}/stat").read_text("ascii", "replace")
    except OSError:
        return "0" if not _PROC.exists() and _lives(process) else "gone"
    return told.rpartition(")")[2].split()[19]


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
