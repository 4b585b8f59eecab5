"""Archive files as Parquet, by pyarrow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ugc_core.codec import SCHEMA_HEADER
from ugc_etl.archive.layout import ArchivedLine, ArchiveFile
from ugc_etl.replay.file_errors import UnreadableFileError

if TYPE_CHECKING:
    import pyarrow as pa

_FOOTER = b"ugc.archive"
_LINES_AT_ONCE = 2000


class LinesWriter:
    """Writes lines in groups; what the file says of itself comes at its end."""

    def __init__(self, writer: Any, schema: "pa.Schema") -> None:
        """Use `writing`; this only wires."""
        self._writer = writer
        self._schema = schema

    def write(self, lines: Sequence[ArchivedLine]) -> None:
        """Append lines as one group."""
        import pyarrow as pa  # noqa: PLC0415 - see `writing`

        columns = {
            "partition": [line.partition for line in lines],
            "offset": [line.offset for line in lines],
            "line": [line.line for line in lines],
            "key": [line.key for line in lines],
            "schema_version": [_version(line) for line in lines],
            "headers": [
                [{"name": name, "value": value} for name, value in line.headers] for line in lines
            ],
            "timestamp_ms": [line.timestamp_ms for line in lines],
            "value": [line.value for line in lines],
        }
        self._writer.write_table(pa.Table.from_pydict(columns, self._schema))

    def describe(self, about: ArchiveFile) -> None:
        """Say what the file is."""
        self._writer.add_key_value_metadata({_FOOTER: msgspec.json.encode(about)})


@contextmanager
def writing(path: Path) -> Iterator[LinesWriter]:
    """Write a file; its pages carry checksums.

    Raises:
        UnreadableFileError: pyarrow is not installed.
        OSError: It cannot be written.
    """
    try:
        # Not at the top: 0.2 s and 60 MB that only archives need.
        import pyarrow as pa  # noqa: PLC0415 - heavy
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - heavy
    except ImportError as error:
        msg = f"{path}: writing Parquet needs pyarrow (`pip install pyarrow`)"
        raise UnreadableFileError(msg) from error
    header = pa.struct([("name", pa.string()), ("value", pa.binary())])
    schema = pa.schema(
        [
            ("partition", pa.uint16()),
            ("offset", pa.uint64()),
            ("line", pa.uint32()),
            ("key", pa.binary()),
            ("schema_version", pa.string()),
            ("headers", pa.list_(header)),
            ("timestamp_ms", pa.int64()),
            ("value", pa.binary()),
        ]
    )
    with ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        yield LinesWriter(writer, schema)


def about(path: Path) -> ArchiveFile | None:
    """Return what an archive file says of itself; None if it is another Parquet file.

    Raises:
        UnreadableFileError: It is no Parquet file, not whole, or of a newer layout.
    """
    with _opened(path) as file:
        found = (file.metadata.metadata or {}).get(_FOOTER)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found, type=ArchiveFile)
    except msgspec.DecodeError as error:
        msg = f"{path}: an archive that this version cannot read: {error}"
        raise UnreadableFileError(msg) from error


def read(path: Path) -> Iterator[ArchivedLine]:
    """Yield the lines of an archive file, in the log's order.

    Raises:
        UnreadableFileError: It is not whole, or was altered.
    """
    with _opened(path) as file:
        for batch in file.iter_batches(batch_size=_LINES_AT_ONCE):
            for row in batch.to_pylist():
                yield ArchivedLine(
                    partition=row["partition"],
                    offset=row["offset"],
                    line=row["line"],
                    key=row["key"],
                    headers=tuple((one["name"], one["value"]) for one in row["headers"]),
                    timestamp_ms=row["timestamp_ms"],
                    value=row["value"],
                )


def _version(line: ArchivedLine) -> str:
    return dict(line.headers).get(SCHEMA_HEADER, b"").decode("utf-8", "replace")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        from pyarrow import ArrowException  # noqa: PLC0415 - heavy
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - heavy
    except ImportError as error:
        msg = f"{path}: reading Parquet needs pyarrow (`pip install pyarrow`), or convert to NDJSON"
        raise UnreadableFileError(msg) from error
    try:
        with ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (ArrowException, OSError) as error:
        msg = f"{path}: not a whole Parquet file: {error}"
        raise UnreadableFileError(msg) from error
