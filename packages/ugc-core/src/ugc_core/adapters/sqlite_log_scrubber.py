"""Takes lines out of the SQLite log, and their bytes out of the file."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import apsw

from ugc_core.adapters.sqlite_file import find_topic, record_id, rows
from ugc_core.adapters.sqlite_role import SqliteRole
from ugc_core.log import LogScrubber
from ugc_core.log_rules import without

_STEP = 500
"""Records of one transaction, so that appends never wait long for it."""


class SqliteLogScrubber(SqliteRole):
    """Lines of one file's topics."""

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
