# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chdb_server.errors import ProtocolError
from chdb_server.wire import Reader, over, string, varint


def in_pieces(data: bytes, size: int) -> Reader:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    async def source() -> bytes:
        return pieces.pop(0) if pieces else b""

    return Reader(source)


@given(st.integers(0, 2**64 - 1), st.integers(1, 3))
def test_a_number_comes_back(number, size):
    assert asyncio.run(in_pieces(varint(number), size).varint()) == number


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_come_back_as_text(raw, size):
    text = asyncio.run(in_pieces(string(raw), size).string())

    assert string(text) == string(raw)


@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(1, 400))
def test_strings_are_passed_to_the_last_byte(texts, size):
    async def run() -> int:
        reader = in_pieces(b"".join(map(string, texts)) + b"!", size)
        await reader.skip_strings(len(texts))
        return await reader.byte()

    assert asyncio.run(run()) == ord("!")


@given(st.binary(min_size=1, max_size=100), st.integers(1, 9), st.data())
def test_what_is_passed_while_recording_is_recorded(raw, size, data):
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, len(raw)))
    parts: list[bytes] = []

    async def run() -> None:
        reader = in_pieces(raw, size)
        await reader.skip(start)
        reader.record(parts.append)
        await reader.skip(end - start)
        reader.record(None)
        await reader.skip(len(raw) - end)

    asyncio.run(run())

    assert b"".join(parts) == raw[start:end]


async def test_a_number_without_an_end_is_refused():
    with pytest.raises(ProtocolError):
        await over(b"\xff" * 20).varint()


async def test_a_string_s_size_without_an_end_is_refused():
    with pytest.raises(ProtocolError):
        await over(b"\xff" * 20).skip_strings(1)


async def test_a_long_text_is_refused_before_it_is_read():
    with pytest.raises(ProtocolError):
        await over(varint(100)).string(limit=99)


async def test_a_source_that_ends_is_an_error():
    with pytest.raises(EOFError):
        await over(b"\x05abc").string()


async def test_skipping_holds_no_more_than_one_read():
    pieces = [bytes(1000)] * 100

    async def source() -> bytes:
        return pieces.pop()

    reader = Reader(source)
    await reader.skip(99_500)

    assert len(reader._buffer) == 1000
