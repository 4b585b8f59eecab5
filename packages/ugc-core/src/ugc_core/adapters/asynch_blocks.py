"""Blocks of columns for asynch, without the costs that rows in bulk need not have.

asynch takes UUIDs apart one by one, which is three quarters of what writing our rows costs it,
looks at every time, and cuts every column into pieces by an iterator, also when there is only
one piece. What is no plain number or UUID is still written by asynch itself.
"""

import sys
from array import array
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from asynch.proto.block import ColumnOrientedBlock
from asynch.proto.columns import write_column

_UUID_BYTES = 16
_NUMBERS = {
    "UInt16": "H",
    "UInt32": "I",
    "UInt64": "Q",
    "Int64": "q",
    "DateTime64(3, 'UTC')": "q",
}
"""How an array holds a type's values; times are epoch milliseconds."""
_write_column: Any = write_column


def uuid_words(items: Sequence[UUID]) -> bytes:
    """Return UUIDs as the native protocol has them: two words each, the high one first.

    Raises:
        AttributeError: One of them is something else.
    """
    words = array("Q", b"".join([item.int.to_bytes(_UUID_BYTES, "big") for item in items]))
    words.byteswap()  # whatever the machine's order: they are read as big and sent as little
    return words.tobytes()


def number_words(kind: str, items: Sequence[int]) -> bytes:
    """Return numbers as the native protocol has them.

    Raises:
        KeyError: The type is none that is known here.
        OverflowError: A number does not fit.
        TypeError: There is something else among them.
    """
    words = array(_NUMBERS[kind], items)
    if sys.byteorder == "big":
        words.byteswap()
    return words.tobytes()


def whole_block(columns_with_types: Sequence[tuple[str, str]], columns: Sequence[Any]) -> Any:
    """Return columns as one block."""
    block: Any = ColumnOrientedBlock
    return block(columns_with_types=columns_with_types, data=columns)


class Blocks:
    """Writes blocks as asynch's own `BlockWriter` does, but numbers and UUIDs all at once."""

    def __init__(self, reader: Any, writer: Any, context: Any) -> None:
        """Take asynch's streams and its context."""
        self._reader = reader
        self._writer = writer
        self._context = context

    async def write(self, block: Any) -> None:
        """Write a block and flush; one without columns ends the data."""
        await block.info.write(self._writer)
        await self._writer.write_varint(block.num_columns)
        await self._writer.write_varint(block.num_rows)
        for index, (name, kind) in enumerate(block.columns_with_types):
            await self._writer.write_str(name)
            await self._writer.write_str(kind)
            if block.num_columns:
                await self._write_column(name, kind, block.get_column_by_index(index))
        await self._writer.flush()

    async def _write_column(self, name: str, kind: str, items: Sequence[Any]) -> None:
        words = b""
        # What is no UUID or number, such as a text, is left to asynch: it converts or refuses.
        with suppress(AttributeError, KeyError, OverflowError, TypeError):
            words = uuid_words(items) if kind == "UUID" else number_words(kind, items)
        if words:
            await self._writer.write_bytes(words)
            return
        # A copy: asynch writes into what it encodes, and an insert may be repeated.
        copy = list(items)
        await _write_column(self._reader, self._writer, self._context, name, kind, copy)
