"""The native protocol's primitives: numbers, strings, and a buffer to read them from."""

import struct
from collections.abc import Awaitable, Callable

from chdb_server.errors import ProtocolError

Source = Callable[[], Awaitable[bytes]]
"""Waits for more bytes; none means that no more will come."""

Sink = Callable[[bytes], object]
"""Takes what has been passed over."""

SHORT_TEXT = 64 << 10
"""Longest name, in bytes; keeps a stranger from filling the buffer before logging in."""

LOW_BITS, MORE_FOLLOWS = 0x7F, 0x80
LONGEST_VARINT = 63  # shift of the last byte of a 64-bit number


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while number > LOW_BITS:
        out.append(number & LOW_BITS | MORE_FOLLOWS)
        number >>= 7
    out.append(number)
    return bytes(out)


def string(text: str | bytes) -> bytes:
    """Length, then bytes."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return varint(len(raw)) + raw


class Reader:
    """A cursor over bytes that are still arriving.

    What the cursor has passed is dropped before more is read, so the buffer holds one
    read of the source plus what a single `take` asks for. `take` is therefore for sizes
    that are bounded by the caller; `skip` is for any size.

    Every reading method raises `EOFError` when the source ends first.
    """

    def __init__(self, source: Source) -> None:
        """Start with nothing buffered."""
        self._source = source
        self._buffer = bytearray()
        self._at = 0
        self._sink: Sink | None = None

    @property
    def empty(self) -> bool:
        """Whether everything that came has been read."""
        return self._at == len(self._buffer)

    def record(self, sink: Sink | None) -> None:
        """From here on, hand what is passed over to `sink`."""
        self._drop_passed()
        self._sink = sink

    async def fill(self) -> None:
        """Wait for the source once."""
        self._drop_passed()
        data = await self._source()
        if not data:
            raise EOFError
        self._buffer += data

    def peek(self) -> int:
        """The byte ahead, when the buffer is not empty."""
        return self._buffer[self._at]

    async def take(self, size: int) -> bytes:
        """Read `size` bytes."""
        while len(self._buffer) - self._at < size:
            await self.fill()
        start, self._at = self._at, self._at + size
        return bytes(memoryview(self._buffer)[start : self._at])

    async def skip(self, size: int) -> None:
        """Pass over `size` bytes without holding them all."""
        while (missing := size - (len(self._buffer) - self._at)) > 0:
            self._at = len(self._buffer)
            size = missing
            await self.fill()
        self._at += size

    async def byte(self) -> int:
        """Read one byte."""
        if self.empty:
            await self.fill()
        self._at += 1
        return self._buffer[self._at - 1]

    async def varint(self) -> int:
        """Read a number of up to 64 bits."""
        number = 0
        for shift in range(0, LONGEST_VARINT + 1, 7):
            byte = await self.byte()
            number |= (byte & LOW_BITS) << shift
            if byte <= LOW_BITS:
                return number
        msg = "a number longer than 64 bits"
        raise ProtocolError(msg)

    async def uint64(self) -> int:
        """Read eight bytes, the lowest first."""
        (number,) = struct.unpack("<Q", await self.take(8))
        return int(number)

    async def string(self, limit: int = SHORT_TEXT) -> str:
        """Read a text of at most `limit` bytes; other bytes than UTF-8 survive the round trip."""
        size = await self.varint()
        if size > limit:
            msg = f"a text of {size} bytes where at most {limit} are allowed"
            raise ProtocolError(msg)
        return (await self.take(size)).decode("utf-8", "surrogateescape")

    async def skip_strings(self, count: int) -> None:
        """Pass over `count` strings; in one pass over what is buffered, as this is the hot loop."""
        while count:
            count -= self._skip_buffered_strings(count)
            if count:
                # The next one has only begun (or is longer than a read): step over it alone.
                await self.skip(await self.varint())
                count -= 1

    def _skip_buffered_strings(self, count: int) -> int:
        """Pass over at most `count` strings that are here whole."""
        buffer, at, end = self._buffer, self._at, len(self._buffer)
        passed = 0
        while passed < count and at < end:
            size, after = buffer[at], at + 1
            if size > LOW_BITS:
                size, after = _long_size(buffer, after, size)
            if size < 0 or after + size > end:
                break
            at = after + size
            passed += 1
        self._at = at
        return passed

    def _drop_passed(self) -> None:
        if self._sink is not None and self._at:
            self._sink(bytes(memoryview(self._buffer)[: self._at]))
        del self._buffer[: self._at]
        self._at = 0


def _long_size(buffer: bytearray, after: int, low: int) -> tuple[int, int]:
    """The size that goes on at `after`, and where it ends; -1 when it is cut or too long."""
    size = low & LOW_BITS
    for shift in range(7, LONGEST_VARINT + 1, 7):
        if after == len(buffer):
            break
        byte = buffer[after]
        after += 1
        size |= (byte & LOW_BITS) << shift
        if byte <= LOW_BITS:
            return size, after
    return -1, after


def over(data: bytes) -> Reader:
    """A reader of bytes that are all here."""
    pending = [data]

    async def source() -> bytes:
        return pending.pop() if pending else b""

    return Reader(source)
