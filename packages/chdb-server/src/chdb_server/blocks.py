"""Blocks of columns, the unit in which rows travel.

A block on the wire is a short `BlockInfo` and then exactly the bytes of ClickHouse's
`FORMAT Native`. So nothing is decoded here: a block that arrives is measured, to find
its end, and its bytes go to the engine as they are; the engine's come back the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from chdb_server.column_types import (
    Array,
    Fixed,
    Layout,
    LowCardinality,
    Nullable,
    Record,
    Text,
    layout,
)
from chdb_server.errors import ProtocolError
from chdb_server.wire import Reader, Sink, over, string, varint

BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""No overflow row, no bucket, end."""

OVERFLOWS_FIELD, BUCKET_FIELD = 1, 2

MOST_COLUMNS = 100_000
"""Far more than a table can have; a guard for the memory that holds their names."""

LONGEST_NAME = 64 << 20
"""Bytes; a column without an alias is named by its expression, whatever that holds."""

LONGEST_TYPE = 1 << 20
"""Bytes; an Enum16 spells out every value that it has."""

KEY_WIDTH_BITS = 0xFF
HAS_SHARED_DICTIONARY = 1 << 8


@dataclass(frozen=True, slots=True)
class Column:
    """A name and a type, as ClickHouse writes them."""

    name: str
    type_name: str


@dataclass(frozen=True, slots=True)
class Shape:
    """What a block says of itself."""

    columns: tuple[Column, ...]
    rows: int


def header(columns: Sequence[Column]) -> bytes:
    """A block of these columns and no rows: clients take the result's types from it."""
    names = (string(column.name) + string(column.type_name) for column in columns)
    return varint(len(columns)) + varint(0) + b"".join(names)


async def pass_block_info(reader: Reader) -> None:
    """Pass over what stands before a block on the wire."""
    while field := await reader.varint():
        if field not in {OVERFLOWS_FIELD, BUCKET_FIELD}:
            msg = f"unknown field {field} before a block"
            raise ProtocolError(msg)
        await reader.skip(1 if field == OVERFLOWS_FIELD else 4)


async def pass_block(reader: Reader, sink: Sink | None = None) -> Shape:
    """Measure one block in `FORMAT Native`; hand its bytes to `sink` if it has rows.

    Raises:
        UnmeasurableTypeError: A column's end cannot be found; neither can the block's.
    """
    width, rows = await reader.varint(), await reader.varint()
    if width > MOST_COLUMNS:
        msg = f"a block of {width} columns"
        raise ProtocolError(msg)
    if rows and sink is not None:
        sink(varint(width) + varint(rows))
        reader.record(sink)
    columns = []
    for _ in range(width):
        column = Column(await reader.string(LONGEST_NAME), await reader.string(LONGEST_TYPE))
        columns.append(column)
        if rows:
            shape = layout(column.type_name)
            await _skip_prefix(reader, shape)
            await _skip_column(reader, shape, rows)
    reader.record(None)
    return Shape(tuple(columns), rows)


async def columns_of(block: bytes) -> tuple[Column, ...]:
    """The columns of a block that is here whole."""
    return (await pass_block(over(block))).columns


async def split_blocks(data: bytes) -> list[bytes]:
    """Cut a result of several blocks into its blocks."""
    reader = over(data)
    blocks: list[bytes] = []
    while True:
        parts: list[bytes] = []
        try:
            await pass_block(reader, parts.append)
        except EOFError:
            return blocks
        blocks.append(b"".join(parts))


async def _skip_prefix(reader: Reader, shape: Layout) -> None:
    """Pass over what stands before a column's data: the version of each dictionary in it."""
    match shape:
        case LowCardinality():
            await reader.skip(8)
        case Nullable(inner) | Array(inner):
            await _skip_prefix(reader, inner)
        case Record(fields):
            for part in fields:
                await _skip_prefix(reader, part)
        case Fixed() | Text():
            pass
        case _:
            assert_never(shape)


async def _skip_column(reader: Reader, shape: Layout, rows: int) -> None:
    match shape:
        case Fixed(width):
            await reader.skip(width * rows)
        case Text():
            await reader.skip_strings(rows)
        case Nullable(inner):
            await reader.skip(rows)
            await _skip_column(reader, inner, rows)
        case LowCardinality(inner):
            await _skip_dictionary(reader, inner, rows)
        case Array(inner):
            await _skip_array(reader, inner, rows)
        case Record(fields):
            for part in fields:
                await _skip_column(reader, part, rows)
        case _:
            assert_never(shape)


async def _skip_array(reader: Reader, inner: Layout, rows: int) -> None:
    if not rows:
        return
    await reader.skip(8 * (rows - 1))
    await _skip_column(reader, inner, await reader.uint64())  # the last end is the total


async def _skip_dictionary(reader: Reader, inner: Layout, rows: int) -> None:
    if not rows:
        return
    kind = await reader.uint64()
    if kind & HAS_SHARED_DICTIONARY:
        msg = "a dictionary shared between blocks, which clients never send"
        raise ProtocolError(msg)
    await _skip_column(reader, inner, await reader.uint64())
    await reader.skip((1 << (kind & KEY_WIDTH_BITS)) * await reader.uint64())
