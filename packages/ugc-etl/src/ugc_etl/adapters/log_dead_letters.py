"""Dead letters as records of the topic `<topic>.dlq`."""

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from ugc_core.log import LogWriter
from ugc_etl.ports import DeadLetter, DeadLetters

_encode = msgspec.json.Encoder().encode


class LogDeadLetters:
    """Writes each letter as one JSON line, keyed `topic:partition:offset:line`.

    A payload that is no UTF-8 travels in base64; `encoding` says which.
    """

    def __init__(self, writer: LogWriter) -> None:
        """Write with `writer`, which is bound to the topic."""
        self._writer = writer

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Append them one after the other; return when the last is durable."""
        for letter in letters:
            key = f"{letter.topic}:{letter.partition}:{letter.offset}:{letter.line}"
            await self._writer.append(key.encode(), [_line(letter)])


def _line(letter: DeadLetter) -> bytes:
    try:
        payload, encoding = letter.payload.decode(), "utf-8"
    except UnicodeDecodeError:
        payload, encoding = base64.b64encode(letter.payload).decode(), "base64"
    return _encode(
        {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "line": letter.line,
            "reason": letter.reason,
            "schema_version": letter.schema_version,
            "encoding": encoding,
            "payload": payload,
        }
    )


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _letters: type[DeadLetters] = LogDeadLetters
