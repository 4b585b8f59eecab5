"""Lines of NDJSON, gzipped NDJSON and Parquet: told apart by how a file begins."""

import gzip
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Raw

from ugc_core.log import Headers
from ugc_etl.adapters import parquet_archive
from ugc_etl.adapters.parquet_rows import parquet_rows
from ugc_etl.replay.file_errors import UnreadableFileError

MAX_LINE_BYTES = 65_536
"""Four times what the API takes as one report."""
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_MILLISECONDS = {"progress_ms": "progress", "total_ms": "total", "watched_from_ms": "watched_from"}
_UUID_BYTES = 16
_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


class Origin(NamedTuple):
    """Where a line of an archive lay in the log."""

    topic: str
    partition: int
    offset: int
    headers: Headers


class FileLine(NamedTuple):
    """A line, or a row as a line.

    Attributes:
        number: From 1.
        content: The line; None if it is too long to be a report.
        position: Bytes of the file that were read so far; 0 where that is not known.
        origin: Where it comes from, if the file is an archive.
    """

    number: int
    content: bytes | None
    position: int
    origin: Origin | None = None


def read_lines(path: Path, *, after: int = 0) -> Iterator[FileLine]:
    """Yield the lines after number `after`.

    Raises:
        UnreadableFileError: The file is not there, or is not whole.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if start == _PARQUET:
                lines = _rows(path)
            elif start.startswith(_GZIP):
                lines = _lines(gzip.GzipFile(fileobj=file), file)
            else:
                lines = _lines(file, file)
            for line in lines:
                if line.number > after:
                    yield line
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path}: cannot be read to its end: {error}"
        raise UnreadableFileError(msg) from error


def _lines(text: IO[bytes] | gzip.GzipFile, file: IO[bytes]) -> Iterator[FileLine]:
    number = 0
    while line := text.readline(MAX_LINE_BYTES + 1):
        number += 1
        too_long = len(line) > MAX_LINE_BYTES
        while too_long and line and not line.endswith(b"\n"):
            line = text.readline(MAX_LINE_BYTES)
        yield FileLine(number, None if too_long else line.strip(), file.tell())


def is_archive(path: Path) -> bool:
    """Say whether a file was written by `ugc archive`.

    Raises:
        UnreadableFileError: The file is not there, or is not whole.
    """
    try:
        with path.open("rb") as file:
            parquet = file.read(4) == _PARQUET
    except OSError as error:
        msg = f"{path}: cannot be read: {error}"
        raise UnreadableFileError(msg) from error
    return parquet and parquet_archive.about(path) is not None


def _rows(path: Path) -> Iterator[FileLine]:
    about = parquet_archive.about(path)
    if about is not None:
        for number, line in enumerate(parquet_archive.read(path), start=1):
            origin = Origin(about.topic, line.partition, line.offset, line.headers)
            yield FileLine(number, line.value, 0, origin)
        return
    for number, row in enumerate(parquet_rows(path), start=1):
        yield FileLine(number, as_line(row), 0)


def as_line(row: dict[str, object]) -> bytes:
    """Return a row as a report's JSON.

    Absent values are left out. Columns of the warehouse's own tables are known: milliseconds
    of film become seconds, and the empty texts that stand for "absent" there are absent.
    """
    fields: dict[str, object] = {}
    for name, value in row.items():
        if value is None or value == "":
            continue
        if name in _MILLISECONDS and isinstance(value, int):
            fields.setdefault(_MILLISECONDS[name], value / 1000)
        else:
            fields[name] = _plain(name, value)
    try:
        return _encode(fields)
    except (TypeError, ValueError) as error:  # a column of some kind that JSON has not
        return _encode({"unreadable": str(error)})


def _plain(name: str, value: object) -> object:
    match value:
        case datetime() if value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        case bytes() if len(value) == _UUID_BYTES:
            return UUID(bytes=value)
        case bytes():
            return value.decode("utf-8", "replace")
        case str() if name == "extra":
            return Raw(value.encode())
        case _:
            return value
