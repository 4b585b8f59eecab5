"""What a trace asks the warehouse and the dead letters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from ugc_core.warehouse import Warehouse
from ugc_etl.erasures import ErasedUsers, read_erased
from ugc_etl.letters import filters
from ugc_etl.letters.letter_box import LetterBox
from ugc_etl.ports import LedgerEntry
from ugc_etl.verification.ledger import ledger_entry
from ugc_etl.verification.stages import Letter, StoredCopy

_COPY = """
    SELECT toString(film_id) AS film_id, toString(user_id) AS user_id,
        toString(profile_id) AS profile_id, toString(raw.event_id) AS event_id,
        concat(toString(raw.log_partition), ':', toString(raw.log_offset), ':',
            toString(log_line)) AS receipt,
        version, event_time, received_at, stored_at
    FROM views_raw AS raw FINAL
"""
_BY_EVENT = f"{_COPY} WHERE raw.event_id IN {{events:Array(UUID)}}"
_BY_PLACE = f"""{_COPY}
    WHERE raw.log_partition = {{partition:UInt16}} AND raw.log_offset = {{offset:UInt64}}
"""
_BATCHES = """
    SELECT topic, partition, first_offset, last_offset, records, lines, stored, dead, erased,
        content_hash
    FROM ingested FINAL
    WHERE topic = {topic:String} AND partition = {partition:UInt16}
        AND first_offset <= {offset:UInt64} AND last_offset >= {offset:UInt64}
    ORDER BY first_offset, last_offset
"""


@dataclass(frozen=True, kw_only=True)
class TraceReads:
    """Reads for one topic.

    Attributes:
        topic: The topic.
        warehouse: Where rows and ledger are.
        box: The dead letters.
    """

    topic: str
    warehouse: Warehouse
    box: LetterBox

    async def erased(self) -> ErasedUsers:
        """Return the users to forget."""
        return await read_erased(self.warehouse)

    async def rows_of(self, event_ids: Sequence[UUID]) -> list[StoredCopy]:
        """Return the rows that count for these event ids."""
        return await self._rows(_BY_EVENT, {"events": event_ids}) if event_ids else []

    async def rows_at(self, partition: int, offset: int) -> list[StoredCopy]:
        """Return the rows that say they come from this record."""
        return await self._rows(_BY_PLACE, {"partition": partition, "offset": offset})

    async def batches(self, partition: int, offset: int) -> list[LedgerEntry]:
        """Return what the ledger has of this record's batch."""
        parameters = {"topic": self.topic, "partition": partition, "offset": offset}
        answer = await self.warehouse.read(_BATCHES, parameters)
        return [ledger_entry(dict(zip(answer.names, row, strict=True))) for row in answer.rows]

    async def letters(self, receipts: frozenset[str]) -> dict[str, Letter]:
        """Return the dead letters of these lines, by receipt."""
        keys = frozenset(f"{self.topic}:{receipt}" for receipt in receipts)
        found = await self._letters(filters.Filters(keys=keys)) if keys else []
        return {receipt_of(letter): shown(letter) for letter in found}

    async def letters_with(self, text: bytes) -> list[filters.Letter]:
        """Return the dead letters of the topic whose line has this text in it."""
        return [
            letter
            for letter in await self._letters(filters.Filters())
            if letter.content.topic == self.topic and text in letter.content.payload.lower()
        ]

    async def _letters(self, wanted: filters.Filters) -> list[filters.Letter]:
        known = await self.box.known()
        return [
            letter
            for resolved in (False, True)
            async for letter in self.box.letters(wanted, known, resolved=resolved)
        ]

    async def _rows(self, sql: str, parameters: Mapping[str, object]) -> list[StoredCopy]:
        answer = await self.warehouse.read(sql, parameters)
        rows = (dict(zip(answer.names, row, strict=True)) for row in answer.rows)
        return [msgspec.convert(row, StoredCopy) for row in rows]


def receipt_of(letter: filters.Letter) -> str:
    """Return the place of the line that a letter is about."""
    content = letter.content
    return f"{content.partition}:{content.offset}:{content.line}"


def shown(letter: filters.Letter) -> Letter:
    """Return what a trace says of a letter."""
    resolution = letter.resolution and letter.resolution.value
    return Letter(key=letter.key, reason=letter.content.reason, resolution=resolution)
