"""Rows of the replaced system's table as lines, in parts that go on exactly where they ended.

The table has no key. So its rows are read in the order of everything that is in them, within
windows of time; a row that is there twice is the same report.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ugc_core.errors import SchemaMismatchError
from ugc_core.urls import IDENTIFIER, WarehouseTarget
from ugc_core.warehouse import Answer, Warehouse
from ugc_etl.replay.file_lines import FileLine

COLUMNS = ("film_id", "user_id", "progress", "total", "created_at")
_HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder(enc_hook=str).encode
_FOUND = """
    SELECT name, type FROM system.columns
    WHERE database = {database:String} AND table = {table:String}
"""
_ENGINE = """
    SELECT engine FROM system.tables WHERE database = {database:String} AND name = {table:String}
"""


class Row(Struct, frozen=True, kw_only=True, order=True):
    """A row in one form, whatever types its columns have.

    Attributes:
        at_ms: Its time, Unix milliseconds; 0 if it has none.
        user_id: Whose.
        film_id: Of which film.
        progress: Playhead.
        total: Length.
    """

    at_ms: int
    user_id: str
    film_id: str
    progress: str
    total: str


class TableMark(Struct, frozen=True, kw_only=True):
    """How far it has come: every row up to this one is durable in the log.

    Attributes:
        table: Which table, of which server.
        rows: How many rows that were.
        row: The last one; None before the first.
    """

    table: str
    rows: int = 0
    row: Row | None = None


class Part(Struct, frozen=True, kw_only=True):
    """Some rows that follow each other.

    Attributes:
        rows: The rows.
        after: How far it was before them.
    """

    rows: Sequence[Row]
    after: TableMark

    def windows(self, size: int) -> Iterator[tuple[Sequence[FileLine], TableMark]]:
        """Yield so many rows at a time as lines, and how far it is with them."""
        for start in range(0, len(self.rows), size):
            rows = self.rows[start : start + size]
            before = self.after.rows + start
            lines = [
                FileLine(number, legacy_line(row), 0)
                for number, row in enumerate(rows, start=before + 1)
            ]
            yield lines, replace(self.after, rows=before + len(rows), row=rows[-1])


@dataclass(kw_only=True)
class TableRows:
    """Reads a table `film_id, user_id, progress, total, created_at`.

    Attributes:
        warehouse: The server.
        target: Says whether it is a cluster.
        name: `DATABASE.TABLE`.
        rows_a_part: Rows of one part, more only where rows are all the same.
    """

    warehouse: Warehouse
    target: WarehouseTarget
    name: str
    rows_a_part: int = 50_000
    _types: Mapping[str, str] = field(default_factory=dict)
    _source: str = ""

    async def open(self) -> int:
        """Look at the table; return how many rows it has.

        Raises:
            SchemaMismatchError: It is not there, or is another one.
        """
        database, _, table = self.name.partition(".")
        if not (IDENTIFIER.match(database) and IDENTIFIER.match(table)):
            msg = f"{self.name!r} is no table: write DATABASE.TABLE, such as movies.views"
            raise SchemaMismatchError(msg)
        names = {"database": database, "table": table}
        found = (await self.warehouse.read(_FOUND, names)).rows
        self._types = {str(name): str(kind) for name, kind in found}
        missing = [name for name in COLUMNS if name not in self._types]
        if missing:
            there = f"it has {', '.join(self._types)}" if self._types else "there is no such table"
            msg = (
                f"{self.name} lacks {', '.join(missing)}; {there}. --from-table takes the replaced"
                f" system's table: {', '.join(COLUMNS)}"
            )
            raise SchemaMismatchError(msg)
        engine = str((await self.warehouse.read(_ENGINE, names)).rows[0][0])
        self._source = source_of(self.name, engine, self.target.cluster)
        return int(str((await self._read("SELECT count() FROM __ROWS__")).rows[0][0]))

    async def parts(self, after: TableMark) -> AsyncIterator[Part]:
        """Yield the rows after a mark, in order."""
        mark = after
        for begin_ms, end_ms in await self._windows(after.row):
            while rows := await self._after(mark.row, begin_ms, end_ms):
                yield Part(rows=rows, after=mark)
                mark = replace(mark, rows=mark.rows + len(rows), row=rows[-1])
                if len(rows) < self.rows_a_part:
                    break

    async def _windows(self, after: Row | None) -> Sequence[tuple[int, int]]:
        """Return windows of whole hours with about the rows of one part, more in a busy hour.

        A table that is not in the order of time is read through for every window, in one
        column; within a window the rows are put in order.
        """
        sql = f"""
            SELECT intDiv(at_ms, {_HOUR_MS}) AS hour, count() AS many
            FROM __ROWS__ WHERE at_ms >= {{from:Int64}} GROUP BY hour ORDER BY hour
        """  # noqa: S608 - a number of ours
        begin = 0 if after is None else after.at_ms
        hours = [
            (int(str(hour)), int(str(many)))
            for hour, many in (await self._read(sql, {"from": begin})).rows
        ]
        windows: list[tuple[int, int]] = []
        rows = 0
        for hour, many in hours:
            if windows and rows + many <= self.rows_a_part:
                windows[-1] = (windows[-1][0], (hour + 1) * _HOUR_MS)
                rows += many
            else:
                windows.append((hour * _HOUR_MS, (hour + 1) * _HOUR_MS))
                rows = many
        return windows

    async def _after(self, row: Row | None, begin_ms: int, end_ms: int) -> list[Row]:
        order = "at_ms, user_id, film_id, progress, total"
        values: dict[str, object] = {"begin": begin_ms, "end": end_ms, "most": self.rows_a_part}
        beyond = ""
        if row is not None:
            beyond = (
                f" AND ({order}) > ({{at_ms:Int64}}, {{user_id:String}}, {{film_id:String}},"
                " {progress:String}, {total:String})"
            )
            values |= msgspec.structs.asdict(row)
        sql = f"""
            SELECT {order} FROM __ROWS__
            WHERE at_ms >= {{begin:Int64}} AND at_ms < {{end:Int64}}{beyond}
            ORDER BY {order} LIMIT {{most:UInt32}} WITH TIES
        """  # noqa: S608 - names of ours
        answer = await self._read(sql, values)
        names = answer.names
        return [msgspec.convert(dict(zip(names, found, strict=True)), Row) for found in answer.rows]

    async def _read(self, sql: str, values: Mapping[str, object] | None = None) -> Answer:
        return await self.warehouse.read(sql.replace("__ROWS__", f"({self._select})"), values)

    @property
    def _select(self) -> str:
        texts = ", ".join(
            f"ifNull(toString({name}), '') AS {name}" for name in COLUMNS if name != "created_at"
        )
        at = _ms("created_at", self._types["created_at"])
        return f"SELECT greatest(ifNull({at}, 0), 0) AS at_ms, {texts} FROM {self._source}"  # noqa: S608 - checked identifiers


def source_of(name: str, engine: str, cluster: str | None) -> str:
    """Return what to read so that each row of a table comes, wherever on a cluster it lies.

    The replaced system made its table on four nodes and wrote to one: without replication
    every node is asked.
    """
    database, _, table = name.partition(".")
    if cluster is None or engine == "Distributed":
        return name
    function = "cluster" if engine.startswith("Replicated") else "clusterAllReplicas"
    return f"{function}({cluster}, {database}, {table})"


def legacy_line(row: Row) -> bytes:
    """Return a row as the record that the replaced system sent to its topic.

    So a row and its record are one report, as far as the table has kept the record's time.
    One without a time stays without, and is refused.
    """
    fields: dict[str, object] = {
        "film_id": row.film_id,
        "user_id": row.user_id,
        "progress": _number(row.progress),
        "total": _number(row.total),
    }
    if row.at_ms:
        fields["created_at"] = _EPOCH + timedelta(milliseconds=row.at_ms)
    return _encode(fields)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text  # refused with its reason, like any other line


def _ms(column: str, kind: str) -> str:
    """Return the expression of a column's time in Unix milliseconds; no time is read as local."""
    bare = re.sub(r"^(?:Nullable|LowCardinality)\((.*)\)$", r"\1", kind)
    if bare.startswith("DateTime64"):
        return f"toUnixTimestamp64Milli(toDateTime64({column}, 3))"
    if bare.startswith("DateTime"):
        return f"toInt64(toUnixTimestamp({column})) * 1000"
    if bare == "String":
        return f"toUnixTimestamp64Milli(parseDateTime64BestEffortOrZero({column}, 3, 'UTC'))"
    return f"toInt64(toUnixTimestamp(toDateTime({column}, 'UTC'))) * 1000"
