"""Takes lines out of the SQLite log, and their bytes out of the file."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import apsw

from ugc_core.adapters.sqlite_file import SqliteFile, find_topic, record_id, rows
from ugc_core.log import LogScrubber
from ugc_core.log_rules import without
from ugc_core.settings import LogSection

_STEP = 500
"""Records of one transaction, so that appends never wait long for it."""


class SqliteLogScrubber:
    """Lines of one file's topics."""

    def __init__(self, file: SqliteFile) -> None:
        """Use `open`; this only wires."""
        self._file = file

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, settings: LogSection) -> AsyncIterator[Self]:
        """Open the file.

        Raises:
            LogDamagedError: The file is corrupt.
            LogUnavailableError: It cannot be opened.
        """
        async with SqliteFile.open(path, timeout_s=settings.call_timeout_s) as file:
            yield cls(file)

    async def scrub(self, topic: str, unwanted: Callable[[bytes], bool]) -> int:
        """Take lines out; a record that has none left goes with them."""
        number = (await self._file.run(partial(find_topic, name=topic))).id
        at, end = record_id(number, 0, 0), record_id(number + 1, 0, 0)
        gone = 0
        while at < end:
            taken, at = await self._file.run(partial(_scrub, at, end, unwanted))
            gone += taken
        return gone


def _scrub(
    start: int, end: int, unwanted: Callable[[bytes], bool], db: apsw.Connection
) -> tuple[int, int]:
    """Scrub one step of records; return how many lines went, and where to go on."""
    # What is deleted is overwritten with zeros; a plain DELETE leaves the bytes in the file.
    db.execute("PRAGMA secure_delete = ON")
    db.execute("BEGIN IMMEDIATE")
    found = rows(
        db,
        "SELECT id, value FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (start, end, _STEP),
    )
    gone = 0
    for number, value in found:
        rest, taken = without(value, unwanted)
        if rest is None:
            db.execute("DELETE FROM record WHERE id = ?", (number,))
        elif taken:
            db.execute("UPDATE record SET value = ? WHERE id = ?", (rest, number))
        gone += taken
    db.execute("COMMIT")
    return gone, found[-1][0] + 1 if len(found) == _STEP else end


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _scrubber: type[LogScrubber] = SqliteLogScrubber
