# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import struct

import pytest
import zstandard

from chdb_server import compression
from chdb_server.compression import FRAME_BYTES, FrameSource, Method, compress
from chdb_server.errors import ProtocolError
from chdb_server.wire import over

METHODS = pytest.mark.parametrize("method", list(Method))


@METHODS
async def test_what_is_packed_can_be_unpacked(method):
    data = bytes(range(256)) * (FRAME_BYTES // 100)
    source = FrameSource(over(compress(data, method)))

    parts = [await source.read() for _ in range(0, len(data), FRAME_BYTES)]

    assert b"".join(parts) == data
    assert source.method is method


@METHODS
async def test_a_damaged_frame_is_refused(method):
    frame = bytearray(compress(b"some data, some data", method))
    frame[-1] ^= 1

    with pytest.raises(ProtocolError) as caught:
        await FrameSource(over(bytes(frame))).read()

    assert caught.value.code == 40


def framed(method: int, packed: bytes, raw_size: int) -> bytes:
    body = struct.pack("<BII", method, len(packed) + 9, raw_size) + packed
    return compression._checksum(body) + body


@pytest.mark.parametrize(
    "frame",
    [
        framed(0x55, b"abc", 3),
        framed(Method.LZ4, b"\xff\xff\xff", 3),
        framed(Method.ZSTD, b"\xff\xff\xff", 3),
        framed(Method.NONE, b"abc", 4),
        framed(Method.NONE, b"", 2**32 - 1),
        framed(Method.ZSTD, zstandard.compress(bytes(10_000_000)), 10),
        struct.pack("<QQBII", 0, 0, Method.NONE, 2**31, 1),
        struct.pack("<QQBII", 0, 0, Method.NONE, 0, 1),
    ],
)
async def test_a_frame_that_lies_is_refused(frame):
    with pytest.raises(ProtocolError):
        await FrameSource(over(frame)).read()
