"""Dead letters sent once more, or set aside for good."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from ugc_core.codec import SCHEMA_HEADER, decode_lines, log_key
from ugc_core.errors import MalformedLineError
from ugc_core.events import Event
from ugc_core.log import Headers, LogWriter
from ugc_etl.erasures import ErasedUsers
from ugc_etl.letters.filters import Letter
from ugc_etl.letters.line_format import place_of
from ugc_etl.letters.resolutions import Resolution, close_letters
from ugc_etl.ports import DeadLetter
from ugc_etl.retry import Retry

_CHUNK = 200
"""Letters that are appended together, and closed together."""


@dataclass(kw_only=True)
class Redriven:
    """What became of the letters that were meant.

    Attributes:
        redriven: How many were appended to the main topic.
        erased: How many are of users that are to be forgotten; these are closed unused.
        stay: Key and reason of those that are no reports still; they stay open.
    """

    redriven: int = 0
    erased: int = 0
    stay: list[tuple[str, str]] = field(default_factory=list)


def headers_of(letter: DeadLetter) -> Headers:
    """Return the headers that the letter's record had; version 0 had none."""
    if not letter.schema_version:
        return ()
    return ((SCHEMA_HEADER, letter.schema_version.encode()),)


def read_report(letter: DeadLetter) -> Event | MalformedLineError:
    """Return the report in a letter, as it is read today, or what is wrong with it."""
    found = decode_lines(letter.payload, headers_of(letter))
    if len(found) == 1:
        return found[0]
    return MalformedLineError("more than one line")


@dataclass(frozen=True, kw_only=True)
class Redrive:
    """Appends letters' lines to the main topic again, for the pipeline to take.

    Each step repeats harmlessly: a line that is appended twice is one report by its identity.

    Attributes:
        views: Writes to the main topic.
        box: Writes to the topic of the letters.
        retry: How to wait for the log.
        erased: Users to forget; their lines are not appended.
        dry_run: Whether to count only.
    """

    views: LogWriter
    box: LogWriter
    retry: Retry
    erased: ErasedUsers
    dry_run: bool = False

    async def run(self, letters: AsyncIterator[Letter]) -> Redriven:
        """Redrive letters, in the order in which they come.

        1. The lines of a chunk are appended to the main topic, durable.
        2. Their letters are closed.
        """
        outcome = Redriven()
        async for chunk in in_chunks(letters):
            await self._redrive(chunk, outcome)
        return outcome

    async def _redrive(self, chunk: Sequence[Letter], outcome: Redriven) -> None:
        good: list[tuple[Letter, Event]] = []
        gone: list[Letter] = []
        for letter in chunk:
            match self._sort(letter.content):
                case MalformedLineError() as error:
                    outcome.stay.append((letter.key, error.reason))
                case Event() as event:
                    good.append((letter, event))
                case None:
                    gone.append(letter)
        outcome.redriven += len(good)
        outcome.erased += len(gone)
        if self.dry_run:
            return
        await self.retry.until_done("redrive", lambda: self._append(good))
        await self._close([letter for letter, _ in good], Resolution.REDRIVEN)
        await self._close(gone, Resolution.ERASED)

    def _sort(self, letter: DeadLetter) -> Event | MalformedLineError | None:
        """Return the report, what is wrong with it, or None if its user is to be forgotten."""
        found = read_report(letter)
        if isinstance(found, Event) and self.erased.hides(
            found, partition=letter.partition, offset=letter.offset
        ):
            return None
        return found

    async def _append(self, good: Iterable[tuple[Letter, Event]]) -> None:
        """Append one record for each user and version, the lines in order."""
        grouped: dict[tuple[bytes, Headers], list[bytes]] = {}
        for letter, event in good:
            group = (log_key(event.user_id), headers_of(letter.content))
            grouped.setdefault(group, []).append(letter.content.payload)
        await asyncio.gather(
            *(
                self.views.append(key, lines, headers=headers)
                for (key, headers), lines in grouped.items()
            )
        )

    async def _close(self, letters: Sequence[Letter], resolution: Resolution) -> None:
        places = [place_of(letter.content) for letter in letters]
        await self.retry.until_done(
            "closing letters", lambda: close_letters(self.box, places, resolution)
        )


async def drop(letters: AsyncIterator[Letter], box: LogWriter, retry: Retry) -> int:
    """Set letters aside for good; return how many."""
    dropped = 0
    async for chunk in in_chunks(letters):
        places = [place_of(letter.content) for letter in chunk]
        close = partial(close_letters, box, places, Resolution.DROPPED)
        await retry.until_done("closing letters", close)
        dropped += len(places)
    return dropped


async def in_chunks(letters: AsyncIterator[Letter]) -> AsyncIterator[Sequence[Letter]]:
    """Yield the letters some at a time."""
    chunk: list[Letter] = []
    async for letter in letters:
        chunk.append(letter)
        if len(chunk) >= _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
