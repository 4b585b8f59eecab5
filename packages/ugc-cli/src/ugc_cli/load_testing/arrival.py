"""Is every accepted event id in the warehouse? Sets are compared, viewer by viewer."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from msgspec import Struct

from ugc_cli.load_testing.exchanges import ACCEPTED, UNKNOWN, Outcome
from ugc_cli.load_testing.journal import BUCKETS, Journal
from ugc_core.clock import Clock
from ugc_core.errors import WarehouseUnavailableError
from ugc_core.warehouse import Warehouse

MOST_NAMED = 20
_AGAIN_S = 0.5
_SLACK_MS = 86_400_000
"""A batch reports stretches of the hours before."""
_STORED = """
    SELECT event_id FROM views
    WHERE film_id IN {films:Array(UUID)} AND user_id IN {users:Array(UUID)}
        AND event_time >= fromUnixTimestamp64Milli({since_ms:Int64})
"""


class Arrival(Struct, frozen=True, kw_only=True):
    """What the warehouse has of what was accepted.

    Attributes:
        accepted: Distinct event ids that were accepted.
        arrived: Those of them that are stored.
        missing: Some of those that are not.
        doubled: Some of those that are stored more than once.
        doubled_count: How many those are.
        unknown: Ids whose request failed, so that they may be kept or not.
        unknown_arrived: Those of them that are stored.
        waited_s: How long it took after the load.
        unreachable: Why the warehouse could not be asked in the end; empty: it could.
        interrupted: Whether a person has ended the wait.
    """

    accepted: int
    arrived: int
    missing: Sequence[UUID]
    doubled: Sequence[UUID]
    doubled_count: int
    unknown: int
    unknown_arrived: int
    waited_s: float
    unreachable: str = ""
    interrupted: bool = False

    @property
    def missing_count(self) -> int:
        """How many are missing."""
        return self.accepted - self.arrived

    @property
    def lossy(self) -> bool:
        """Whether it is certain that something is missing or doubled."""
        judged = not self.interrupted and not self.unreachable
        return judged and bool(self.missing_count or self.doubled_count)


class _Bucket(Struct, frozen=True, kw_only=True):
    """What was found of one bucket; of the missing and doubled only the first are named."""

    accepted: int = 0
    missing_count: int = 0
    missing: Sequence[UUID] = ()
    doubled_count: int = 0
    doubled: Sequence[UUID] = ()
    unknown: int = 0
    unknown_arrived: int = 0


@dataclass(kw_only=True)
class ArrivalCheck:
    """Waits for what was accepted.

    Attributes:
        journal: What became of each id.
        warehouse: Where they have to be.
        users: The viewers, in order.
        films: All films that they may have watched.
        since_ms: When the load began.
        patience_s: Give up when nothing has arrived for so long.
        clock: Time.
        tell: Is told (arrived, accepted) after every look.
    """

    journal: Journal
    warehouse: Warehouse
    users: Sequence[UUID]
    films: Sequence[UUID]
    since_ms: int
    patience_s: float
    clock: Clock
    tell: Callable[[int, int], None]
    _found: dict[int, _Bucket] = field(default_factory=dict)
    _trouble: str = ""

    async def run(self, stop: asyncio.Event) -> Arrival:
        """Look until everything is there, nothing comes any more, or somebody stops it."""
        began = moved = self.clock.now()
        arrived = -1
        while True:
            await self._look(stop)
            now, found = self.clock.now(), self._arrival(self.clock.now() - began)
            self.tell(found.arrived, found.accepted)
            if found.arrived > arrived:
                arrived, moved = found.arrived, now
            if self._complete(found) or stop.is_set() or now - moved >= self.patience_s:
                break
            await self.clock.sleep(_AGAIN_S)
        return self._arrival(self.clock.now() - began, stop)

    def _complete(self, found: Arrival) -> bool:
        return not found.missing_count and not self._trouble

    async def _look(self, stop: asyncio.Event) -> None:
        """Look at each bucket that is not known to be complete."""
        self._trouble = ""
        for number in range(BUCKETS):
            if stop.is_set():
                return
            known = self._found.get(number)
            if known is not None and not known.missing_count:
                continue
            try:
                self._found[number] = await self._ask(number)
            except WarehouseUnavailableError as error:
                self._trouble = str(error)
                self._found.setdefault(number, self._nothing(number))

    async def _ask(self, number: int) -> _Bucket:
        noted = self.journal.bucket(number)
        if not noted:
            return _Bucket()
        parameters = {
            "films": self.films,
            "users": self.users[number::BUCKETS],
            "since_ms": self.since_ms - _SLACK_MS,
        }
        answer = await self.warehouse.read(_STORED, parameters)
        return _compare(noted, Counter(UUID(str(event_id)) for (event_id,) in answer.rows))

    def _nothing(self, number: int) -> _Bucket:
        return _compare(self.journal.bucket(number), Counter())

    def _arrival(self, waited_s: float, stop: asyncio.Event | None = None) -> Arrival:
        buckets = self._found.values()
        accepted = sum(bucket.accepted for bucket in buckets)
        missing = sorted(event_id for bucket in buckets for event_id in bucket.missing)
        doubled = sorted(event_id for bucket in buckets for event_id in bucket.doubled)
        missing_count = sum(bucket.missing_count for bucket in buckets)
        stopped = stop is not None and stop.is_set()
        return Arrival(
            accepted=accepted,
            arrived=accepted - missing_count,
            missing=missing[:MOST_NAMED],
            doubled=doubled[:MOST_NAMED],
            doubled_count=sum(bucket.doubled_count for bucket in buckets),
            unknown=sum(bucket.unknown for bucket in buckets),
            unknown_arrived=sum(bucket.unknown_arrived for bucket in buckets),
            waited_s=round(waited_s, 1),
            unreachable=self._trouble,
            interrupted=stopped and (missing_count > 0 or len(buckets) < BUCKETS),
        )


def _compare(noted: Mapping[UUID, Outcome], stored: Counter[UUID]) -> _Bucket:
    """Hold the noted ids against the rows that the warehouse has of each id."""
    accepted = {event_id for event_id, outcome in noted.items() if outcome == ACCEPTED}
    unknown = {event_id for event_id, outcome in noted.items() if outcome == UNKNOWN}
    missing = accepted - stored.keys()
    doubled = {event_id for event_id, rows in stored.items() if rows > 1 and event_id in noted}
    return _Bucket(
        accepted=len(accepted),
        missing_count=len(missing),
        missing=sorted(missing)[:MOST_NAMED],
        doubled_count=len(doubled),
        doubled=sorted(doubled)[:MOST_NAMED],
        unknown=len(unknown),
        unknown_arrived=len(unknown & stored.keys()),
    )
