"""Compressed frames: checksum, method, sizes, data."""

import struct
from enum import IntEnum
from typing import assert_never

import lz4.block
import zstandard
from clickhouse_cityhash.cityhash import CityHash128

from chdb_server.errors import ProtocolError
from chdb_server.wire import Reader

FRAME_BYTES = 1 << 20
"""Size of what one frame holds, as ClickHouse's own clients cut it."""

LARGEST_FRAME = 64 << 20
"""Bound of both sizes of a frame that arrives, in bytes: it has to be here whole."""

CHECKSUM_BYTES = 16
HEAD = struct.Struct("<BII")
"""Method, size with this head, size of the data inside."""

CANNOT_DECOMPRESS, CHECKSUM_DOESNT_MATCH = 271, 40
ZSTD_LEVEL = 1


class Method(IntEnum):
    """How a frame's data is packed."""

    NONE = 0x02
    LZ4 = 0x82
    ZSTD = 0x90


class FrameSource:
    """Unpacks the frames that arrive, one a read.

    Attributes:
        method: Of the last frame; a client that sends it can also read it.
    """

    def __init__(self, frames: Reader) -> None:
        """Read frames from there."""
        self._frames = frames
        self.method = Method.LZ4

    async def read(self) -> bytes:
        """Wait for the next frame and unpack it.

        Raises:
            ProtocolError: It is damaged, too large or packed in a way unknown here.
        """
        checksum = await self._frames.take(CHECKSUM_BYTES)
        head = await self._frames.take(HEAD.size)
        number, size, raw_size = HEAD.unpack(head)
        if not HEAD.size <= size <= LARGEST_FRAME or raw_size > LARGEST_FRAME:
            msg = f"a compressed frame of {size} bytes for {raw_size}"
            raise ProtocolError(msg, code=CANNOT_DECOMPRESS)
        packed = await self._frames.take(size - HEAD.size)
        if _checksum(head + packed) != checksum:
            msg = "a compressed frame's checksum does not match"
            raise ProtocolError(msg, code=CHECKSUM_DOESNT_MATCH)
        self.method = _method(number)
        return _unpack(self.method, packed, raw_size)


def compress(data: bytes, method: Method) -> bytes:
    """Pack into as many frames as it takes."""
    starts = range(0, len(data), FRAME_BYTES)
    return b"".join(_frame(data[at : at + FRAME_BYTES], method) for at in starts)


def _frame(data: bytes, method: Method) -> bytes:
    match method:
        case Method.NONE:
            packed = data
        case Method.LZ4:
            packed = lz4.block.compress(data, store_size=False)
        case Method.ZSTD:
            packed = zstandard.compress(data, level=ZSTD_LEVEL)
        case _:
            assert_never(method)
    body = HEAD.pack(method, len(packed) + HEAD.size, len(data)) + packed
    return _checksum(body) + body


def _checksum(body: bytes) -> bytes:
    high_first: int = CityHash128(body)
    return struct.pack("<QQ", high_first >> 64, high_first & (1 << 64) - 1)


def _method(number: int) -> Method:
    try:
        return Method(number)
    except ValueError as error:
        msg = f"unknown compression method {number:#x}"
        raise ProtocolError(msg, code=CANNOT_DECOMPRESS) from error


def _unpack(method: Method, packed: bytes, raw_size: int) -> bytes:
    try:
        data = _unpacked(method, packed, raw_size)
    except (lz4.block.LZ4BlockError, zstandard.ZstdError) as error:
        msg = f"a compressed frame cannot be unpacked: {error}"
        raise ProtocolError(msg, code=CANNOT_DECOMPRESS) from error
    if len(data) != raw_size:
        msg = f"a compressed frame of {raw_size} bytes holds {len(data)}"
        raise ProtocolError(msg, code=CANNOT_DECOMPRESS)
    return data


def _unpacked(method: Method, packed: bytes, raw_size: int) -> bytes:
    match method:
        case Method.NONE:
            return packed
        case Method.LZ4:
            return bytes(lz4.block.decompress(packed, uncompressed_size=raw_size))
        case Method.ZSTD:
            # The packed data names its own size too, and is given that much memory.
            if zstandard.frame_content_size(packed) > raw_size:
                return b""
            return zstandard.decompress(packed, max_output_size=raw_size)
