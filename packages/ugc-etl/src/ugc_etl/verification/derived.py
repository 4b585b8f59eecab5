"""The derived tables against a recomputation from the reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from msgspec import Struct

from ugc_core.clock import Clock
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Warehouse
from ugc_etl.erasures import ErasedUsers, read_erased
from ugc_etl.verification.derived_sql import DERIVED_TABLES, comparison
from ugc_etl.verification.findings import Finding, Findings, Kind
from ugc_etl.verification.stored_rows import Horizon

KINDS = frozenset({Kind.DERIVED})
_ROWS_A_PASS = 2_000_000
"""Reports that are recomputed at once: what ClickHouse holds in memory."""
_LOOKS = 3
_BETWEEN_LOOKS_S = 0.3
"""An insert reaches the raw table a moment before the views: a difference has to last."""
_MOST = 10_000
_OUTSIDE = """
    SELECT countIf(log_offset < {lows:Array(UInt64)}[log_partition + 1]) AS older,
        countIf(log_offset >= {ends:Array(UInt64)}[log_partition + 1]) AS newer
    FROM views_raw
    WHERE film_id = {film:UUID} AND user_id = {user:UUID}
        AND log_partition < length({lows:Array(UInt64)})
"""


class Difference(Struct, frozen=True, kw_only=True):
    """A viewer of a film for whom a derived table does not say what the reports say.

    Attributes:
        table: Which table.
        film_id: The film.
        user_id: The user.
        profile_id: The household member.
        day: The day, where the table has one.
        lacks: Whether something is missing; otherwise there is more than reported.
    """

    table: str
    film_id: UUID
    user_id: UUID
    profile_id: UUID
    day: str
    lacks: bool


@dataclass(kw_only=True)
class DerivedFacts:
    """What was compared.

    Attributes:
        films: Films with reports.
        passes: In how many shares they were recomputed.
    """

    films: int = 0
    passes: int = 0


@dataclass(kw_only=True)
class DerivedCheck:
    """Recomputes `playback` and `resume_points`.

    Attributes:
        warehouse: Where.
        target: Its database, whose name stands in the views' text.
        findings: Where findings go.
        clock: Time between two looks.
        disputed: Film and user of conflicting reports: sets and maxima have seen both copies.
        ttl_days: After how many days raw reports go, whose derived rows stay; 0 is never.
    """

    warehouse: Warehouse
    target: WarehouseTarget
    findings: Findings
    clock: Clock
    disputed: set[bytes]
    ttl_days: int
    facts: DerivedFacts = field(default_factory=DerivedFacts)
    _erased: ErasedUsers = field(default_factory=ErasedUsers)

    async def run(self, horizon: Horizon) -> DerivedFacts:
        """Compare film by film.

        Args:
            horizon: What the log still holds: conflicts among older reports left no trace.
        """
        self._erased = await read_erased(self.warehouse)
        answer = await self.warehouse.read("SELECT count(), uniqExact(film_id) FROM views_raw")
        rows, self.facts.films = (int(str(value)) for value in answer.rows[0])
        self.facts.passes = max(-(-rows // _ROWS_A_PASS), 1)
        for share in range(self.facts.passes):
            for table in DERIVED_TABLES:
                for difference in await self._lasting(table, share):
                    await self._report(difference, horizon)
        return self.facts

    async def _lasting(self, table: str, share: int) -> Sequence[Difference]:
        """Return the differences that a few looks have in common."""
        found = await self._look(table, share)
        for _ in range(_LOOKS - 1):
            if not found:
                break
            await self.clock.sleep(_BETWEEN_LOOKS_S)
            again = set(await self._look(table, share))
            found = [difference for difference in found if difference in again]
        return found

    async def _look(self, table: str, share: int) -> Sequence[Difference]:
        sql = comparison(table, self.target.database)
        parameters = {"of": self.facts.passes, "share": share, "most": _MOST}
        answer = await self.warehouse.read(sql, parameters)
        return [
            Difference(
                table=table,
                film_id=UUID(str(film)),
                user_id=UUID(str(user)),
                profile_id=UUID(str(profile)),
                day=str(day),
                lacks=bool(lacks),
            )
            for film, user, profile, day, lacks, *_ in answer.rows
        ]

    async def _report(self, difference: Difference, horizon: Horizon) -> None:
        excuse = await self._excuse(difference, horizon)
        profile = difference.profile_id
        viewer = f"user {difference.user_id}"
        if profile != difference.user_id:
            viewer += f" profile {profile}"
        where = f" on {difference.day}" if difference.day else ""
        less = "less" if difference.lacks else "more, or other,"
        detail = f"says {less} than the reports say{where}"
        self.findings.add(
            Finding(
                kind=Kind.DERIVED,
                fault=not excuse,
                subject=f"{difference.table}, film {difference.film_id}, {viewer}",
                detail=f"{detail}; {excuse}" if excuse else detail,
                next=""
                if excuse
                else "mend what the reports' check names first; then ugc replay log --swap",
            )
        )

    async def _excuse(self, difference: Difference, horizon: Horizon) -> str:
        """Return why a table may rightly say something else than the reports."""
        film, user = difference.film_id, difference.user_id
        now = await read_erased(self.warehouse)
        if any(one.user_id == user and not self._erased.is_done(one) for one in now):
            return "an erasure of this user is under way"
        parameters = {"film": film, "user": user, "lows": horizon.lows, "ends": horizon.ends}
        answer = await self.warehouse.read(_OUTSIDE, parameters)
        older, newer = (int(str(value)) for value in answer.rows[0])
        if newer:
            return "a batch of this viewer is not committed yet and will be repeated"
        return "" if difference.lacks else self._excuse_more(film, user, older)

    def _excuse_more(self, film: UUID, user: UUID, older: int) -> str:
        """Return why a table may rightly say more than the reports."""
        if film.bytes + user.bytes in self.disputed:
            return "it has seen both copies of a conflicting report"
        if self.ttl_days:
            return f"raw reports go after {self.ttl_days} days, derived rows stay"
        if older:
            return "some of the reports have left the log, and with them any conflicting copies"
        return ""
