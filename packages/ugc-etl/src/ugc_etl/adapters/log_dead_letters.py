"""Dead letters as records of the topic `<topic>.dlq`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ugc_core.log import LogWriter
from ugc_etl.letters.line_format import encode_letter, place_of
from ugc_etl.ports import DeadLetter, DeadLetters


class LogDeadLetters:
    """Writes each letter as one JSON line, keyed `topic:partition:offset:line`."""

    def __init__(self, writer: LogWriter) -> None:
        """Write with `writer`, which is bound to the topic."""
        self._writer = writer

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Append them one after the other; return when the last is durable."""
        for letter in letters:
            await self._writer.append(place_of(letter).key.encode(), [encode_letter(letter)])


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _letters: type[DeadLetters] = LogDeadLetters
