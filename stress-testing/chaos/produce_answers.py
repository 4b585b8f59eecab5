"""What a broker answers to Kafka's produce request, as far as to alter or to lose it."""

from collections.abc import Callable
from dataclasses import dataclass, field

_PRODUCE = 0
_DUPLICATE_SEQUENCE_NUMBER = 46
_NOWHERE = -1


@dataclass(kw_only=True)
class ProduceAnswers:
    """Alters the answers to requests that carry records; for both directions of one proxy.

    Attributes:
        change: What becomes of an answer; an empty one cuts the connection.
        wanted: How many more answers are changed.
    """

    change: Callable[[bytes], bytes]
    wanted: int = 0
    _asked: set[bytes] = field(default_factory=set)

    def request(self, message: bytes) -> bytes:
        """Note the number of a request that carries records."""
        if int.from_bytes(message[:2]) == _PRODUCE:
            self._asked.add(message[4:8])
        return message

    def answer(self, message: bytes) -> bytes:
        """Return an answer, changed if it is one to such a request and its turn."""
        number = message[:4]
        if number not in self._asked:
            return message
        self._asked.discard(number)
        if not self.wanted:
            return message
        self.wanted -= 1
        return self.change(message)


def lost(_: bytes) -> bytes:
    """Lose an answer, and its connection with it."""
    return b""


def duplicate(message: bytes) -> bytes:
    """Say of the one batch of a request that it came before, nobody knows where to."""
    answer = bytearray(message)
    topic = int.from_bytes(answer[8:10])
    at = 4 + 4 + 2 + topic + 4 + 4  # its number, topics, the topic's name, partitions, partition
    answer[at : at + 2] = _DUPLICATE_SEQUENCE_NUMBER.to_bytes(2)
    answer[at + 2 : at + 10] = _NOWHERE.to_bytes(8, signed=True)
    return bytes(answer)
