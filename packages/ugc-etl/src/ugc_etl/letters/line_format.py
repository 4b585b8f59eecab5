"""A dead letter as one line of the topic `<topic>.dlq`: written and read by the same rules.

A line that closes a letter (`ugc_etl.letters.resolutions`) names the same place and lies in a
record whose header says so.
"""

import base64
import binascii

import msgspec
from msgspec import Struct

from ugc_core.errors import MalformedLineError
from ugc_etl.ports import DeadLetter

_encode = msgspec.json.Encoder().encode


class Place(Struct, frozen=True, kw_only=True):
    """Which line of the log a letter is about.

    Attributes:
        topic: Its topic.
        partition: Its partition.
        offset: Offset of its record.
        line: Its number within the record.
    """

    topic: str
    partition: int
    offset: int
    line: int

    @property
    def key(self) -> str:
        """The letter's key, and its name for people."""
        return f"{self.topic}:{self.partition}:{self.offset}:{self.line}"


class LetterLine(Struct, frozen=True, kw_only=True):
    """A letter's line; a payload that is no UTF-8 travels in base64.

    Attributes:
        topic: Topic of the line that cannot be stored.
        partition: Its partition.
        offset: Offset of its record.
        line: Its number within the record.
        reason: What is wrong with it.
        schema_version: What its record's header said; empty without one.
        encoding: How the payload travels: utf-8 or base64.
        payload: The line itself.
    """

    topic: str
    partition: int
    offset: int
    line: int
    reason: str
    schema_version: str
    encoding: str
    payload: str


_letter_decoder = msgspec.json.Decoder(LetterLine)
_place_decoder = msgspec.json.Decoder(Place)


def place_of(letter: DeadLetter) -> Place:
    """Return the line that a letter is about."""
    return Place(
        topic=letter.topic, partition=letter.partition, offset=letter.offset, line=letter.line
    )


def encode_letter(letter: DeadLetter) -> bytes:
    """Return the letter as one line."""
    try:
        payload, encoding = letter.payload.decode(), "utf-8"
    except UnicodeDecodeError:
        payload, encoding = base64.b64encode(letter.payload).decode(), "base64"
    return _encode(
        LetterLine(
            topic=letter.topic,
            partition=letter.partition,
            offset=letter.offset,
            line=letter.line,
            reason=letter.reason,
            schema_version=letter.schema_version,
            encoding=encoding,
            payload=payload,
        )
    )


def decode_letter(line: bytes) -> DeadLetter:
    """Return the letter in a line.

    Raises:
        MalformedLineError: It is none.
    """
    try:
        found = _letter_decoder.decode(line)
        payload = (
            base64.b64decode(found.payload, validate=True)
            if found.encoding == "base64"
            else found.payload.encode()
        )
    except (msgspec.DecodeError, UnicodeError, binascii.Error, RecursionError) as error:
        reason = f"not a dead letter: {error}"
        raise MalformedLineError(reason) from error
    return DeadLetter(
        topic=found.topic,
        partition=found.partition,
        offset=found.offset,
        line=found.line,
        reason=found.reason,
        payload=payload,
        schema_version=found.schema_version,
    )


def encode_place(place: Place) -> bytes:
    """Return the line that closes the letter of a place."""
    return _encode(place)


def decode_place(line: bytes) -> Place:
    """Return the place that a letter, or a line that closes one, is about.

    Raises:
        MalformedLineError: It names none.
    """
    try:
        return _place_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = f"not a dead letter: {error}"
        raise MalformedLineError(reason) from error
