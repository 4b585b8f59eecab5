"""Dead letters read back from the log in memory."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ugc_core.adapters.memory_log import (
    MemoryLog,
    MemoryLogAdmin,
    MemoryLogScanner,
    MemoryLogWriter,
)
from ugc_core.errors import MalformedLineError
from ugc_core.log import Topic
from ugc_etl.adapters.log_dead_letters import LogDeadLetters
from ugc_etl.letters.filters import Filters, Letter
from ugc_etl.letters.letter_box import LetterBox
from ugc_etl.letters.line_format import decode_letter, encode_letter, encode_place, place_of
from ugc_etl.letters.resolutions import RESOLUTION_HEADER, Resolution, close_letters
from ugc_etl.ports import DeadLetter

DLQ = Topic(name="views.dlq", partitions=1, retention_ms=1)


def letter(line: int = 0, *, reason: str = "not JSON", partition: int = 2) -> DeadLetter:
    return DeadLetter(
        topic="views",
        partition=partition,
        offset=7,
        line=line,
        reason=reason,
        payload=b"{bad}",
        schema_version="1",
    )


class Box:
    """A topic of dead letters in memory."""

    def __init__(self) -> None:
        self.log = MemoryLog(topics={DLQ.name: DLQ})
        self.writer = MemoryLogWriter(self.log, DLQ.name)
        self.box = LetterBox(
            admin=MemoryLogAdmin(self.log), scanner=MemoryLogScanner(self.log), topic=DLQ.name
        )

    async def put(self, *letters: DeadLetter) -> None:
        await LogDeadLetters(self.writer).put(letters)

    async def close(self, resolution: Resolution, *letters: DeadLetter) -> None:
        await close_letters(self.writer, [place_of(one) for one in letters], resolution)

    async def found(self, filters: Filters | None = None, **how: bool) -> Sequence[Letter]:
        known = await self.box.known()
        return [one async for one in self.box.letters(filters or Filters(), known, **how)]


async def test_a_letter_that_was_written_twice_is_there_once():
    box = Box()
    await box.put(letter(), letter(1), letter())

    assert [one.key for one in await box.found()] == ["views:2:7:0", "views:2:7:1"]


async def test_a_closed_letter_is_listed_with_what_became_of_it_alone():
    box = Box()
    await box.put(letter(), letter(1))
    await box.close(Resolution.REDRIVEN, letter(1))

    assert [one.key for one in await box.found()] == ["views:2:7:0"]
    [closed] = await box.found(resolved=True)
    assert (closed.key, closed.resolution) == ("views:2:7:1", Resolution.REDRIVEN)
    assert (await box.box.known()).open == 1


async def test_a_repeat_after_its_closing_does_not_open_a_letter_again():
    box = Box()
    await box.put(letter())
    await box.close(Resolution.DROPPED, letter())
    await box.put(letter())

    assert await box.found() == []


async def test_letters_that_share_a_record_are_told_apart():
    """A writer packs appends of one partition: the record's key is nobody's then."""
    box = Box()
    lines = [encode_letter(letter(n)) for n in range(3)]
    await box.writer.append(b"", lines)
    headers = ((RESOLUTION_HEADER, b"dropped"),)
    await box.writer.append(
        b"", [encode_place(place_of(letter(n))) for n in (0, 2)], headers=headers
    )

    assert [one.key for one in await box.found()] == ["views:2:7:1"]


async def test_lines_of_somebody_else_are_passed_over():
    box = Box()
    await box.writer.append(b"", [b"{}", b"no JSON", encode_letter(letter())])

    assert len(await box.found()) == 1


async def test_a_resolution_of_a_newer_version_closes_all_the_same():
    box = Box()
    await box.put(letter())
    headers = ((RESOLUTION_HEADER, b"composted"),)
    await box.writer.append(b"", [encode_place(place_of(letter()))], headers=headers)

    assert await box.found() == []


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        (Filters(), True),
        (Filters(reason="NOT json"), True),
        (Filters(reason="progress"), False),
        (Filters(partition=2), True),
        (Filters(partition=1), False),
        (Filters(since_ms=100), True),
        (Filters(since_ms=101), False),
        (Filters(until_ms=100), False),
        (Filters(until_ms=101), True),
        (Filters(keys=frozenset({"views:2:7:0"})), True),
        (Filters(keys=frozenset({"views:2:7:1"})), False),
        (Filters(reason="json", partition=2, since_ms=50, until_ms=200), True),
        (Filters(reason="json", partition=3, since_ms=50, until_ms=200), False),
    ],
)
def test_every_filter_has_to_hold(filters: Filters, wanted: bool):
    assert filters.want(Letter(content=letter(), at_ms=100)) is wanted


def test_only_no_filter_means_everything():
    assert Filters().everything
    assert not Filters(partition=0).everything


@given(st.binary(), st.text(), st.text())
def test_any_letter_comes_back_as_it_was(payload: bytes, reason: str, version: str):
    try:
        (reason + version).encode()
    except UnicodeEncodeError:
        return
    sent = replace(letter(), payload=payload, reason=reason, schema_version=version)

    line = encode_letter(sent)

    assert b"\n" not in line
    assert decode_letter(line) == sent


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"topic":"views"}', b"\xff"])
def test_what_is_no_letter_is_refused(line: bytes):
    with pytest.raises(MalformedLineError, match="not a dead letter"):
        decode_letter(line)
