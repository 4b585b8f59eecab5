"""Kafka's produce request, taken apart as far as to give its batches wrong sequence numbers."""

from collections.abc import Iterator

from aiokafka.record.util import calc_crc32c

_PRODUCE = 0
_FLAT = 8
"""The last version of the request whose fields have plain lengths."""
_CRC, _CHECKED, _SEQUENCE = 17, 21, 53
"""Where a batch has its checksum, where what is checked begins, and its first sequence number."""
_JUMP = 1000


class OutOfOrder:
    """Gives batches sequence numbers that the broker does not expect.

    The checksum is made anew: the broker takes the batch for a good one, and refuses it with
    OUT_OF_ORDER_SEQUENCE_NUMBER of its own accord.

    Attributes:
        by: How far the numbers are off; below zero for those of batches sent long before.
        wanted: How many more requests are changed.
        changed: How many have been.
    """

    def __init__(self, *, by: int = _JUMP) -> None:
        """Change nothing yet."""
        self.by = by
        self.wanted = 0
        self.changed = 0

    def __call__(self, message: bytes) -> bytes:
        """Return a request, changed if it is one that carries records and is its turn."""
        if not self.wanted or int.from_bytes(message[:2]) != _PRODUCE:
            return message
        if int.from_bytes(message[2:4]) > _FLAT:
            msg = "the client speaks a version of the produce request that is not known here"
            raise ValueError(msg)
        changed = bytearray(message)
        jumped = [_jump(changed, start, end, self.by) for start, end in _batches(message)]
        if any(jumped):  # to a broker that knows nothing of the producer, any number is right
            self.wanted -= 1
            self.changed += 1
        return bytes(changed)


def _jump(message: bytearray, start: int, end: int, by: int) -> bool:
    at = slice(start + _SEQUENCE, start + _SEQUENCE + 4)
    sequence = int.from_bytes(message[at], signed=True)
    if sequence <= 0:
        return False
    message[at] = max(sequence + by, 0).to_bytes(4, signed=True)
    crc = calc_crc32c(bytes(message[start + _CHECKED : end]))
    message[start + _CRC : start + _CRC + 4] = crc.to_bytes(4)
    return True


def _batches(message: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each batch of a request lies."""
    reader = _Reader(message, 8)
    reader.text()  # the client's name
    reader.text()  # the transaction
    reader.skip(6)
    for _ in range(reader.number()):
        reader.text()
        for _ in range(reader.number()):
            reader.skip(4)
            size = reader.number()
            yield reader.at, reader.at + size
            reader.skip(size)


class _Reader:
    """Reads one field after the other."""

    def __init__(self, message: bytes, at: int) -> None:
        self._message = message
        self.at = at

    def skip(self, size: int) -> None:
        self.at += size

    def number(self) -> int:
        self.at += 4
        return int.from_bytes(self._message[self.at - 4 : self.at], signed=True)

    def text(self) -> None:
        size = int.from_bytes(self._message[self.at : self.at + 2], signed=True)
        self.at += 2 + max(size, 0)
