"""The store's reference: a dictionary by identity, and one by range."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec.structs import replace

from ugc_core.events import Event
from ugc_etl.erasures import ErasedUser, ErasedUsers
from ugc_etl.ports import DeadLetter, DeadLetters, LedgerEntry, ViewsStore
from ugc_etl.rows import Rows, version

Identity = tuple[UUID, UUID, UUID, UUID]


class MemoryStore:
    """Keeps rows by (film, user, profile, event), the highest version of each."""

    def __init__(self) -> None:
        """Start empty."""
        self.kept: dict[Identity, tuple[int, Event]] = {}
        self.ledger: dict[tuple[str, int, int, int], LedgerEntry] = {}
        self.tokens: list[str] = []
        self.erasures: list[ErasedUser] = []

    @property
    def events(self) -> list[Event]:
        """Every event once."""
        return [event for _, event in self.kept.values()]

    async def insert(self, rows: Rows, *, token: str) -> None:
        """Keep the rows."""
        self.tokens.append(token)
        for event, source in zip(rows.events, rows.sources, strict=True):
            profile_id = event.profile_id or event.user_id
            identity = (event.film_id, event.user_id, profile_id, event.event_id)
            fresh = (version(event.received_at, source.payload), event)
            if identity not in self.kept or self.kept[identity][0] < fresh[0]:
                self.kept[identity] = fresh

    async def record(self, entry: LedgerEntry) -> None:
        """Keep the entry."""
        key = (entry.topic, entry.partition, entry.range.first, entry.range.last)
        self.ledger[key] = entry

    async def reached(self, topic: str, partition: int) -> int | None:
        """Look through the entries."""
        ends = [last + 1 for name, p, _, last in self.ledger if (name, p) == (topic, partition)]
        return max(ends, default=None)

    async def erase(self, erasure: ErasedUser) -> None:
        """Forget the user."""
        self.kept = {
            identity: row
            for identity, row in self.kept.items()
            if row[1].user_id != erasure.user_id
        }
        self.erasures.append(replace(erasure, done=True))

    async def erased(self) -> ErasedUsers:
        """Return the erasures."""
        return ErasedUsers(self.erasures)


class MemoryDeadLetters:
    """Keeps letters by where they came from."""

    def __init__(self) -> None:
        """Start empty."""
        self.letters: dict[tuple[str, int, int, int], DeadLetter] = {}

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep them."""
        for letter in letters:
            self.letters[letter.topic, letter.partition, letter.offset, letter.line] = letter


if TYPE_CHECKING:  # mypy proves here that the adapters fit their ports
    _store: type[ViewsStore] = MemoryStore
    _letters: type[DeadLetters] = MemoryDeadLetters
