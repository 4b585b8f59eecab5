"""Reads any part of the SQLite log again; a lock or a consumer group is not needed."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import apsw

from ugc_core.adapters.sqlite_file import ends, find_topic
from ugc_core.adapters.sqlite_records import read_records
from ugc_core.adapters.sqlite_role import SqliteRole
from ugc_core.log import LogScanner, Record, Watermarks
from ugc_core.log_rules import check_range

_MAX_SCAN_BYTES = 8_388_608


class SqliteLogScanner(SqliteRole):
    """Ranges of one file's topics."""

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
