"""Where an INSERT's rows wait until all of them are here.

The engine reads them from a file, as that INSERT fails when a row is refused; chDB's
own streaming insert reports success. On Linux the file is in memory and has no name.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from chdb_server.errors import DatabaseError

MEMORY_LIMIT_EXCEEDED = 241
CANNOT_WRITE = 75
PREFIX = "insert-"


class Spool:
    """The rows of one INSERT.

    After a failure it goes on taking rows and drops them: the client sends all it has
    before it listens, so reading on is the only way to keep its connection.

    Attributes:
        path: Under which the engine opens it.
    """

    def __init__(self, file: FileIO, path: str, *, room: "Room") -> None:
        """Write to `file` while there is room."""
        self.path = path
        self._file = file
        self._room = room
        self._failure: DatabaseError | None = None

    def write(self, data: bytes) -> None:
        """Keep the bytes, or drop them after a failure."""
        if self._failure is not None:
            return
        try:
            self._room.take(len(data))
            self._write_all(memoryview(data))
        except DatabaseError as error:
            self._failure = error
        except OSError as error:
            self._failure = DatabaseError(f"cannot buffer the rows: {error}", code=CANNOT_WRITE)

    def check(self) -> None:
        """Make sure that every row is there.

        Raises:
            DatabaseError: They did not fit.
        """
        if self._failure is not None:
            raise self._failure

    def _write_all(self, data: memoryview) -> None:
        while data:  # the file is unbuffered, so a write may end early
            data = data[self._file.write(data) :]


@dataclass
class Room:
    """How many bytes one INSERT and all of them together may still take.

    Attributes:
        limit: For this INSERT.
        shared: For all that are being received.
    """

    limit: int
    shared: "SharedRoom"
    taken: int = 0

    def take(self, size: int) -> None:
        """Claim so many bytes.

        Raises:
            DatabaseError: There is no room for them.
        """
        if self.taken + size > self.limit:
            what = "one INSERT"
            raise _no_room(what, self.limit, "see --max-insert-mib")
        self.shared.take(size)
        self.taken += size

    def release(self) -> None:
        """Give everything back."""
        self.shared.taken -= self.taken
        self.taken = 0


@dataclass
class SharedRoom:
    """How many bytes all INSERTs that are being received may take."""

    limit: int
    taken: int = 0

    def take(self, size: int) -> None:
        """Claim so many bytes."""
        if self.taken + size > self.limit:
            what = "all INSERTs under way together"
            raise _no_room(what, self.limit, "try again")
        self.taken += size


class Spools:
    """Makes spools, in memory where the system can, else in a directory of their own."""

    IN_FLIGHT = 4
    """So many INSERTs of the largest size may be received at once."""

    def __init__(self, directory: Path, *, limit: int, in_memory: bool | None = None) -> None:
        """Clear what a crash may have left in the directory."""
        self._directory = directory
        self._limit = limit
        self._shared = SharedRoom(limit * self.IN_FLIGHT)
        self._in_memory = hasattr(os, "memfd_create") if in_memory is None else in_memory
        for left in directory.glob(f"{PREFIX}*"):
            left.unlink()

    @contextmanager
    def open(self) -> Iterator[Spool]:
        """A spool that is gone, with its room given back, when the block ends.

        Raises:
            DatabaseError: The system has no file to give.
        """
        make: Callable[[], tuple[FileIO, str]] = self._memory if self._in_memory else self._disk
        room = Room(self._limit, self._shared)
        try:
            file, path = make()
        except OSError as error:
            msg = f"cannot buffer the rows: {error}"
            raise DatabaseError(msg, code=CANNOT_WRITE) from error
        try:
            yield Spool(file, path, room=room)
        finally:
            room.release()
            file.close()
            if not self._in_memory:
                Path(path).unlink()

    def _memory(self) -> tuple[FileIO, str]:
        descriptor = os.memfd_create("insert")
        return FileIO(descriptor, "wb"), f"/proc/self/fd/{descriptor}"

    def _disk(self) -> tuple[FileIO, str]:
        self._directory.mkdir(exist_ok=True)
        descriptor, path = tempfile.mkstemp(prefix=PREFIX, dir=self._directory)
        return FileIO(descriptor, "wb"), path


def _no_room(what: str, limit: int, remedy: str) -> DatabaseError:
    msg = f"the rows sent do not fit: {what} may hold {limit >> 20} MiB ({remedy})"
    return DatabaseError(msg, code=MEMORY_LIMIT_EXCEEDED)
