"""Dead letters as records of the topic `<topic>.dlq`."""

import base64

import msgspec
import pytest

from ugc_core.adapters.memory_log import MemoryLog, MemoryLogWriter
from ugc_core.errors import LogUnavailableError
from ugc_core.log import Record, Topic
from ugc_etl.adapters.log_dead_letters import LogDeadLetters
from ugc_etl.ports import DeadLetter

DLQ = Topic(name="views.dlq", partitions=1, retention_ms=1)


def letter(line: int = 0, payload: bytes = b"{bad}") -> DeadLetter:
    return DeadLetter(
        topic="views",
        partition=2,
        offset=7,
        line=line,
        reason="not JSON",
        payload=payload,
        schema_version="1",
    )


async def written(*letters: DeadLetter) -> list[Record]:
    log = MemoryLog(topics={DLQ.name: DLQ})
    await LogDeadLetters(MemoryLogWriter(log, DLQ.name)).put(letters)
    return log.records.get((DLQ.name, 0), [])


async def test_a_letter_says_everything_that_is_known_about_its_line():
    [found] = await written(letter(line=3))

    assert msgspec.json.decode(found.value) == {
        "topic": "views",
        "partition": 2,
        "offset": 7,
        "line": 3,
        "reason": "not JSON",
        "schema_version": "1",
        "encoding": "utf-8",
        "payload": "{bad}",
    }


async def test_the_key_is_the_place_so_that_a_repeat_is_recognised():
    once, again, other = await written(letter(line=3), letter(line=3), letter(line=4))

    assert once.key == again.key == b"views:2:7:3"
    assert other.key == b"views:2:7:4"


async def test_a_letter_is_one_line_whatever_its_payload_holds():
    [found] = await written(letter(payload=b'{"a":\r"b\x00"}\xe2\x80\xa8'))

    assert b"\n" not in found.value
    assert msgspec.json.decode(found.value)["payload"] == '{"a":\r"b\x00"}\u2028'


async def test_a_payload_that_is_no_text_travels_in_base64():
    [found] = await written(letter(payload=b"\xff\x00{"))

    fields = msgspec.json.decode(found.value)
    assert fields["encoding"] == "base64"
    assert base64.b64decode(fields["payload"]) == b"\xff\x00{"


async def test_a_letter_that_cannot_be_written_is_an_error():
    letters = LogDeadLetters(MemoryLogWriter(MemoryLog(), DLQ.name))

    with pytest.raises(LogUnavailableError):
        await letters.put([letter()])
