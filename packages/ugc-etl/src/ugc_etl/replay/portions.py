"""What a batch of records holds for a replay: reports to insert, and what is none."""

from collections.abc import Mapping, MutableSet
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from ugc_core.codec import decode_erasures
from ugc_core.errors import MalformedLineError
from ugc_core.events import Event
from ugc_etl.batches import Batch
from ugc_etl.decoding import decode, unreadable_letters
from ugc_etl.erasures import ErasedUser, ErasedUsers, without_erased
from ugc_etl.letters.filters import Letter
from ugc_etl.letters.letter_box import letters_in
from ugc_etl.letters.redriving import read_report
from ugc_etl.letters.resolutions import Resolution
from ugc_etl.ports import DeadLetter
from ugc_etl.rows import Rows, Source


class Portion(Struct, kw_only=True):
    """The lines of one batch, sorted.

    Attributes:
        rows: Reports to insert, those of one partition together.
        dead: Lines that are no reports.
        lines: How many lines there are in all.
        erased: Lines of erased users, and erasures themselves.
        erasures: The users that an erasure record names.
        letters: The dead letters that these reports come from; none from the log itself.
        hidden: The letters of erased users.
    """

    rows: list[Rows]
    dead: list[DeadLetter]
    lines: int
    erased: int
    erasures: list[ErasedUser] = []
    letters: list[Letter] = []
    hidden: list[Letter] = []


class Sorting(Protocol):
    """Sorts the lines of a batch."""

    def sort(self, batch: Batch, erased: ErasedUsers) -> Portion:
        """Return what the batch holds."""


class LogLines:
    """The lines are reports, as the pipeline reads them."""

    def sort(self, batch: Batch, erased: ErasedUsers) -> Portion:
        """Decode every line; drop those of erased users."""
        if batch.is_erasure:
            return _erasures(batch)
        decoded = decode(batch)
        rows = without_erased(decoded.rows, erased)
        return Portion(
            rows=[rows],
            dead=decoded.dead,
            lines=decoded.lines,
            erased=len(decoded.rows) - len(rows),
        )


@dataclass(frozen=True, kw_only=True)
class LetterLines:
    """The lines are dead letters; those that are open and decode by now are reports.

    Attributes:
        known: Every letter's key, and what became of it.
        seen: Letters that came before; a letter may lie in its topic twice.
    """

    known: Mapping[str, Resolution | None]
    seen: MutableSet[str] = field(default_factory=set)

    def sort(self, batch: Batch, erased: ErasedUsers) -> Portion:
        """Take the payload of each open letter, with the place that it had."""
        portion = Portion(rows=[], dead=[], lines=0, erased=0)
        groups: dict[int, tuple[list[Event], list[Source]]] = {}
        for record in batch.records:
            for letter in letters_in(record, self.known):
                if letter.resolution is None and letter.key not in self.seen:
                    self.seen.add(letter.key)
                    _take(letter, erased, portion, groups)
        portion.rows = [
            Rows(partition, events, sources)
            for partition, (events, sources) in sorted(groups.items())
        ]
        return portion


def _take(
    letter: Letter,
    erased: ErasedUsers,
    portion: Portion,
    groups: dict[int, tuple[list[Event], list[Source]]],
) -> None:
    content = letter.content
    portion.lines += 1
    found = read_report(content)
    if isinstance(found, MalformedLineError):
        portion.dead.append(content)
    elif erased.hides(found, partition=content.partition, offset=content.offset):
        portion.erased += 1
        portion.hidden.append(letter)
    else:
        events, sources = groups.setdefault(content.partition, ([], []))
        events.append(found)
        version = content.schema_version
        sources.append(Source(content.offset, content.line, content.payload, version))
        portion.letters.append(letter)


def _erasures(batch: Batch) -> Portion:
    """An erasure record stands alone; its lines count as erased."""
    record = batch.records[0]
    try:
        erasures = decode_erasures(record.value)
    except MalformedLineError as error:
        dead = unreadable_letters(batch.topic, record, error.reason)
        return Portion(rows=[], dead=dead, lines=len(dead), erased=0)
    users = [
        ErasedUser(
            user_id=erasure.user_id,
            partition=record.partition,
            offset=record.offset,
            requested_ms=erasure.requested_at,
        )
        for erasure in erasures
    ]
    return Portion(rows=[], dead=[], lines=len(users), erased=len(users), erasures=users)
