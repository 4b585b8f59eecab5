"""Reads any part of the SQLite log again; a lock or a consumer group is not needed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import apsw

from ugc_core.adapters.sqlite_file import SqliteFile, ends, find_topic
from ugc_core.adapters.sqlite_records import read_records
from ugc_core.log import LogScanner, Record, Watermarks
from ugc_core.log_rules import check_range
from ugc_core.settings import LogSection

_MAX_SCAN_BYTES = 8_388_608


class SqliteLogScanner:
    """Ranges of one file's topics."""

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

    async def scan(
        self, topic: str, partition: int, start: int, end: int, *, max_records: int
    ) -> Sequence[Record]:
        """Return records of the range."""
        return await self._file.run(partial(_scan, topic, partition, start, end, max_records))


def _scan(
    topic: str, partition: int, start: int, end: int, most: int, db: apsw.Connection
) -> list[Record]:
    db.execute("BEGIN")  # the watermarks and the records of one moment
    number = find_topic(db, topic).id
    nothing = Watermarks(low=0, high=0)
    check_range(topic, partition, start, end, ends(db, number).get(partition, nothing))
    found = read_records(db, number, partition, start, most, _MAX_SCAN_BYTES)
    db.execute("COMMIT")
    return [record for record in found if record.offset < end]


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _scanner: type[LogScanner] = SqliteLogScanner
