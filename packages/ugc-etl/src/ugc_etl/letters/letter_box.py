"""Dead letters, read back from their topic."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from ugc_core.codec import split_lines
from ugc_core.errors import MalformedLineError
from ugc_core.log import LogAdmin, LogScanner, Record
from ugc_core.log_pages import pages
from ugc_etl.letters.filters import Filters, Letter
from ugc_etl.letters.line_format import decode_letter, decode_place
from ugc_etl.letters.resolutions import Resolution, resolution_of

_PAGE = 1000


class Known(dict[str, Resolution | None]):
    """Every letter's key, and what became of it; None while it is open."""

    @property
    def open(self) -> int:
        """How many letters are open."""
        return sum(resolution is None for resolution in self.values())


@dataclass(frozen=True, kw_only=True)
class LetterBox:
    """The letters of one topic, outside of every consumer group.

    A letter may lie there twice (a repeat after a crash): it counts once, as it was first set
    aside. What closes it counts whether it lies before or after a repeat.

    Attributes:
        admin: Tells where the topic ends.
        scanner: Reads it.
        topic: The topic of the dead letters.
    """

    admin: LogAdmin
    scanner: LogScanner
    topic: str

    async def known(self) -> Known:
        """Return every key with its state; a key takes about 150 bytes of memory.

        Raises:
            LogUnavailableError: The log did not answer in time.
        """
        known = Known()
        async for record in self.records():
            resolution = resolution_of(record.headers)
            for line in split_lines(record.value):
                key = _key(line)
                if key is not None:
                    known[key] = resolution or known.get(key)
        return known

    async def letters(
        self, filters: Filters, known: Mapping[str, Resolution | None], *, resolved: bool = False
    ) -> AsyncIterator[Letter]:
        """Yield the open letters that are meant, or the closed ones, each once.

        Args:
            filters: Which.
            known: What `known` returned; later letters are left for the next time.
            resolved: Whether the closed ones are meant.

        Raises:
            LogUnavailableError: The log did not answer in time.
        """
        seen: set[str] = set()
        async for record in self.records():
            for letter in letters_in(record, known):
                if letter.key in seen or (letter.resolution is not None) != resolved:
                    continue
                seen.add(letter.key)
                if filters.want(letter):
                    yield letter

    async def records(self) -> AsyncIterator[Record]:
        """Yield every record that is there now, partition by partition."""
        for partition, ends in sorted((await self.admin.watermarks(self.topic)).items()):
            where = (self.topic, partition, ends.low, ends.high)
            async for page in pages(self.scanner, *where, max_records=_PAGE):
                for record in page:
                    yield record


def letters_in(record: Record, known: Mapping[str, Resolution | None]) -> Iterator[Letter]:
    """Yield the letters of a record; a line that is none is passed over."""
    if resolution_of(record.headers) is not None:
        return
    for line in split_lines(record.value):
        try:
            letter = Letter(content=decode_letter(line), at_ms=record.timestamp_ms)
        except MalformedLineError:
            continue
        key = letter.key
        if key in known:
            yield Letter(content=letter.content, at_ms=letter.at_ms, resolution=known[key])


def _key(line: bytes) -> str | None:
    try:
        return decode_place(line).key
    except MalformedLineError:
        return None
