"""Columns on ClickHouse's wire: as asynch writes them, and unchanged in the caller's hands."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from asynch.errors import CannotParseUuidError, TypeMismatchError
from asynch.proto.columns import write_column
from hypothesis import given
from hypothesis import strategies as st

from ugc_core.adapters.asynch_blocks import Blocks, number_words, uuid_words

CONTEXT: Any = SimpleNamespace(client_settings={}, settings={})
NUMBERS = {
    "UInt16": st.integers(0, 2**16 - 1),
    "UInt32": st.integers(0, 2**32 - 1),
    "UInt64": st.integers(0, 2**64 - 1),
    "Int64": st.integers(-(2**63), 2**63 - 1),
    "DateTime64(3, 'UTC')": st.integers(-(2**60), 2**60),
}


class FakeWriter:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    async def write_bytes(self, data: bytes) -> None:
        self.written += data


def by_asynch(kind: str, items: list[Any]) -> bytes:
    """Return a column as asynch writes it."""
    writer = FakeWriter()
    write: Any = write_column
    asyncio.run(write(None, writer, CONTEXT, "name", kind, list(items)))
    return writer.written


def by_us(kind: str, items: list[Any]) -> bytes:
    writer = FakeWriter()
    asyncio.run(Blocks(None, writer, CONTEXT)._write_column("name", kind, items))
    return writer.written


@given(st.lists(st.uuids(), max_size=50))
def test_uuids_are_written_as_asynch_writes_them(items: list[UUID]):
    assert uuid_words(items) == by_us("UUID", items) == by_asynch("UUID", items)


@pytest.mark.parametrize("kind", NUMBERS)
@given(data=st.data())
def test_numbers_are_written_as_asynch_writes_them(kind: str, data: st.DataObject):
    items = data.draw(st.lists(NUMBERS[kind], max_size=50))

    assert number_words(kind, items) == by_us(kind, items) == by_asynch(kind, items)


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("UUID", [UUID(int=1), "00000000-0000-0000-0000-000000000002"]),
        ("DateTime64(3, 'UTC')", [datetime(2026, 1, 1, tzinfo=UTC), 1]),
        ("Nullable(UInt32)", [1, None]),
        ("Float64", [1.5]),
    ],
)
def test_what_is_no_number_and_no_uuid_is_left_to_asynch_and_stays_as_it_is(
    kind: str, items: list[Any]
):
    """asynch puts numbers in the place of None and of times, and an insert may be repeated."""
    before = list(items)

    assert by_us(kind, items) == by_asynch(kind, items)
    assert items == before


@pytest.mark.parametrize(
    ("kind", "item"), [("UUID", "x"), ("UInt16", 2**16), ("UInt32", -1), ("UInt64", None)]
)
def test_what_does_not_fit_is_refused_in_asynchs_words(kind: str, item: object):
    with pytest.raises((TypeMismatchError, CannotParseUuidError)):
        by_us(kind, [item])
