"""Users to forget: whose reports are dropped, wherever they come from."""

from collections.abc import Iterable, Iterator
from uuid import UUID

import msgspec
from msgspec import Struct

from ugc_core.errors import UgcError
from ugc_core.events import Event
from ugc_core.warehouse import Answer, Shards, Warehouse
from ugc_etl.rows import Rows

_COLUMNS = """
    SELECT user_id, partition, offset, toUnixTimestamp64Milli(requested_at) AS requested_ms,
        erased_at > fromUnixTimestamp64Milli(0, 'UTC') AS done
"""
_EVERY = f"{_COLUMNS} FROM erasures FINAL"


class ErasedUser(Struct, frozen=True, kw_only=True):
    """One erasure of one user.

    Attributes:
        user_id: Whom to forget.
        partition: Partition of the erasure record.
        offset: Its offset; the user's reports below it are dropped.
        requested_ms: When it was asked for, Unix milliseconds; reports made before are dropped.
        done: Whether everything that was stored is deleted.
    """

    user_id: UUID
    partition: int
    offset: int
    requested_ms: int
    done: bool = False


class ErasedUsers:
    """The erasures, by user."""

    def __init__(self, erasures: Iterable[ErasedUser] = ()) -> None:
        """Take those known so far."""
        self._by_user: dict[UUID, list[ErasedUser]] = {}
        for erasure in erasures:
            self.add(erasure)

    def __bool__(self) -> bool:
        """Say whether there is any."""
        return bool(self._by_user)

    def __iter__(self) -> Iterator[ErasedUser]:
        """Yield each erasure."""
        for erasures in self._by_user.values():
            yield from erasures

    def add(self, erasure: ErasedUser) -> None:
        """Take one more."""
        self._by_user.setdefault(erasure.user_id, []).append(erasure)

    def hides(self, event: Event, *, partition: int, offset: int) -> bool:
        """Say whether a report is to be dropped, found at `offset` of `partition`.

        It lies before an erasure in the log, or was made before one and came late.
        """
        return any(
            event.event_time_ms < erasure.requested_ms
            or (partition == erasure.partition and offset < erasure.offset)
            for erasure in self._by_user.get(event.user_id, ())
        )

    def is_done(self, erasure: ErasedUser) -> bool:
        """Say whether that very erasure has been carried out to its end."""
        place = (erasure.partition, erasure.offset)
        known = self._by_user.get(erasure.user_id, ())
        return any(one.done and (one.partition, one.offset) == place for one in known)


async def read_erased(warehouse: Warehouse) -> ErasedUsers:
    """Read every erasure.

    Raises:
        WarehouseUnavailableError: The warehouse did not answer.
    """
    return ErasedUsers(_erasures(await warehouse.read(_EVERY)))


async def read_erased_everywhere(warehouse: Shards, table: str) -> ErasedUsers:
    """Read every erasure from the nodes' own tables; nodes that are down are left out.

    Raises:
        WarehouseUnavailableError: No node answered.
    """
    answers = await warehouse.read_each(f"{_COLUMNS} FROM {table} FINAL")
    failures = [found for found in answers.values() if isinstance(found, UgcError)]
    if len(failures) == len(answers):
        raise failures[0]
    return ErasedUsers(
        erasure
        for answer in answers.values()
        if isinstance(answer, Answer)
        for erasure in _erasures(answer)
    )


def _erasures(answer: Answer) -> Iterator[ErasedUser]:
    for row in answer.rows:
        fields = dict(zip(answer.names, row, strict=True))
        yield msgspec.convert(fields, ErasedUser, strict=False)


def without_erased(rows: Rows, known: ErasedUsers) -> Rows:
    """Drop the reports of users that are to be forgotten."""
    if not known:
        return rows
    pairs = zip(rows.events, rows.sources, strict=True)
    return rows.only(
        [
            not known.hides(event, partition=rows.partition, offset=source.offset)
            for event, source in pairs
        ]
    )
