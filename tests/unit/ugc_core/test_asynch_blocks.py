"""UUIDs on ClickHouse's wire, and columns that stay as they are while they are written."""

import asyncio
from uuid import UUID

import pytest
from asynch.proto.columns.uuidcolumn import UUIDColumn
from hypothesis import given
from hypothesis import strategies as st

from ugc_core.adapters.asynch_blocks import uuid_words, whole_block


class FakeWriter:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    async def write_bytes(self, data: bytes) -> None:
        self.written += data


@given(st.lists(st.uuids(), max_size=50))
def test_uuids_are_written_as_asynch_writes_them(items: list[UUID]):
    writer = FakeWriter()
    asyncio.run(UUIDColumn(None, writer).write_data(list(items)))

    assert uuid_words(items) == writer.written


@pytest.mark.parametrize("other", ["00000000-0000-0000-0000-000000000001", None, 1])
def test_what_is_no_uuid_is_left_to_asynch(other: object):
    with pytest.raises(AttributeError):
        uuid_words([UUID(int=1), other])  # type: ignore[list-item]


def test_a_block_never_shares_its_columns_with_the_caller():
    """asynch puts numbers in the place of None and of UUIDs, and an insert may be repeated."""
    seq = [1, None]

    block = whole_block([("seq", "Nullable(UInt32)")], [seq])
    block.get_column_by_index(0)[1] = 0

    assert seq == [1, None]
