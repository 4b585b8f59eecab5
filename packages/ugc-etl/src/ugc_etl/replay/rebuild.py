"""Derived tables built anew from the reports, while reports go on coming in.

Every derived row is an idempotent aggregate: what is said twice counts once. So a new table
is fed by a view of its own before it is filled, repeats what may have slipped between the
two, and takes the old one's name when it says everything.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from msgspec import Struct

from ugc_core.clock import Clock
from ugc_core.errors import FatalError, TransientError
from ugc_core.migrations import local_suffix, on_cluster
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Answer, Settings, ShardedWarehouse
from ugc_etl.adapters.clickhouse_store import UNHIDDEN
from ugc_etl.erasures import ErasedUser, ErasedUsers, read_erased_everywhere
from ugc_etl.replay.rebuild_sql import (
    DERIVED_TABLES,
    LEFTOVER,
    OF_USER,
    RECENT,
    SHARE,
    Building,
)

_ROWS_A_SHARE = 250_000
"""Reports of one statement: about a second of work, and some 100 MB."""
_LATE_MS = 120_000
"""How long before the view a report may have been stamped that came in without it: twice the
deadline of an insert, in milliseconds."""
_LOOK_EVERY_S = 0.1
_PATIENCE_S = 300.0
"""Longest wait for inserts under way, and for an erasure, in seconds."""
_INSERTS = """
    SELECT count() FROM system.processes
    WHERE query_kind = 'Insert' AND query_id != queryID() AND elapsed > {elapsed}
"""
_WITHIN_MEMORY: Settings = {
    **UNHIDDEN,
    "max_threads": 2,
    "max_bytes_before_external_group_by": 536_870_912,
}


class LeftoverError(FatalError):
    """A rebuild is under way, or was killed."""


class RawReportsGoError(FatalError):
    """The raw reports are not kept for ever: what a table knows of older ones would be lost."""


class StillBusyError(TransientError):
    """Something has to end first: an erasure that is noted, or an insert."""


class Rebuilt(Struct, kw_only=True):
    """How far a rebuild is.

    Attributes:
        reports: Rows of the raw table when it began.
        shares: In how many parts the reports are read, for each table.
        done: How many of these were read, of all tables.
        rows_before: Rows of each table when it began.
        rows_after: Rows of each table at the end.
        users_erased: Users that were forgotten meanwhile.
    """

    reports: int = 0
    shares: int = 1
    done: int = 0
    rows_before: dict[str, int] = {}
    rows_after: dict[str, int] = {}
    users_erased: int = 0

    @property
    def steps(self) -> int:
        """All parts of all tables."""
        return self.shares * len(DERIVED_TABLES)


@dataclass(kw_only=True)
class Rebuild:
    """Builds every derived table anew and puts it in the place of the old one.

    Attributes:
        warehouse: Where; with deadlines that suit a long statement.
        target: Its database.
        clock: Time.
        run: Names the new tables.
        told: Called after every part.
        rows_a_share: Reports that one statement reads.
    """

    warehouse: ShardedWarehouse
    target: WarehouseTarget
    clock: Clock
    run: str
    told: Callable[[Rebuilt], None] = field(default=lambda _: None)
    rows_a_share: int = _ROWS_A_SHARE
    facts: Rebuilt = field(default_factory=Rebuilt)
    _settled: ErasedUsers = field(default_factory=ErasedUsers)

    @property
    def buildings(self) -> Sequence[Building]:
        """The tables, each with its new one."""
        return [Building(table=name, run=self.run, target=self.target) for name in DERIVED_TABLES]

    async def measure(self) -> Rebuilt:
        """Count what there is to do; changes nothing."""
        self.facts.reports = await self._count("views_raw")
        self.facts.shares = max(-(-self.facts.reports // self.rows_a_share), 1)
        self.facts.rows_before = {name: await self._count(name) for name in DERIVED_TABLES}
        return self.facts

    async def leftovers(self) -> Sequence[str]:
        """Return the tables of a rebuild that runs, or that was killed; views first."""
        names = await self._each(
            f"SELECT name FROM system.tables WHERE database = '{self.target.database}'"  # noqa: S608 - a checked identifier
        )
        found = {str(name) for (name,) in names if LEFTOVER.fullmatch(str(name))}
        return sorted(found, key=lambda name: ("_mv" not in name, name))

    async def drop_leftovers(self) -> None:
        """Take them away; the tables in use are complete without them."""
        database, everywhere = self.target.database, on_cluster(self.target)
        for name in await self.leftovers():
            await self.warehouse.define(f"DROP TABLE IF EXISTS {database}.{name}{everywhere} SYNC")

    async def check(self) -> None:
        """Make sure that a rebuild can be made.

        Raises:
            LeftoverError: Another one is under way, or was killed.
            RawReportsGoError: It would know less than the old tables.
        """
        if names := await self.leftovers():
            msg = (
                f"there are tables of another rebuild: {', '.join(names)}. If it still runs, let it"
                " end; if it was killed, add --yes to drop them and begin anew (the tables in use"
                " are complete without them)"
            )
            raise LeftoverError(msg)
        engines = await self._each(
            "SELECT engine_full FROM system.tables"  # noqa: S608 - a checked identifier
            f" WHERE database = '{self.target.database}' AND name LIKE 'views_raw%'"
        )
        if any(" TTL " in str(engine) for (engine,) in engines):
            msg = (
                "views_raw drops old reports (UGC_WAREHOUSE__VIEWS_TTL_DAYS), and the derived"
                " tables remember them: a rebuild would forget what only they know. Bring the"
                " old reports back first (`ugc replay file` of an archive, into tables without"
                " a TTL), or mend single viewers by `ugc replay log`"
            )
            raise RawReportsGoError(msg)

    async def execute(self, stop: asyncio.Event) -> bool:
        """Build, exchange, clear away; return False if it was told to stop before.

        1. Each new table gets a view: from here on, every report reaches old and new.
        2. The new tables are filled from the reports, part by part.
        3. What was inserted while the views were made is repeated; users that were forgotten
           meanwhile are taken out.
        4. The tables change names, both views going on: whichever table has a name is fed.
        5. Step 3 once more, for what happened during the exchange.
        6. The old tables go: their view first.

        Raises:
            StillBusyError: An erasure is noted and nobody carries it out; nothing changed.
        """
        await self.measure()
        try:
            if not await self._build(stop):
                return False
            await self._exchange()
        finally:
            await self._clear_away()
        self.facts.rows_after = {name: await self._count(name) for name in DERIVED_TABLES}
        return True

    async def _build(self, stop: asyncio.Event) -> bool:
        known = await self._erased()
        self._settled = ErasedUsers(user for user in known if user.done)
        since_ms = await self._now_ms()
        for building in self.buildings:
            for statement in building.create:
                await self.warehouse.define(statement)
        await self._inserts_end()
        for share in range(self.facts.shares):
            for building in self.buildings:
                if stop.is_set():
                    return False
                where = {"of": self.facts.shares, "share": share}
                await self._fill(building, SHARE, where, final=True, into=building.name)
                self.facts.done += 1
                self.told(self.facts)
        for building in self.buildings:
            await self._catch_up(building, since_ms, into=building.name)
            if building.synchronise is not None:
                await self.warehouse.define(building.synchronise)
        return not stop.is_set()

    async def _exchange(self) -> None:
        since_ms = await self._now_ms()
        await self._forget(lambda building: building.name)
        for building in self.buildings:
            await self.warehouse.define(building.exchange)
        await self._inserts_end()
        for building in self.buildings:
            await self._catch_up(building, since_ms, into=building.in_use)
        await self._forget(lambda building: building.in_use)

    async def _clear_away(self) -> None:
        for building in self.buildings:
            await self.warehouse.define(building.drop_view)
        await self._inserts_end()
        for building in self.buildings:
            await self.warehouse.define(building.drop_table)

    async def _catch_up(self, building: Building, since_ms: int, *, into: str) -> None:
        """Repeat what an insert may have brought that did not know of the new table yet."""
        where = {"since": since_ms - _LATE_MS}
        await self._fill(building, RECENT, where, final=False, into=into)

    async def _forget(self, where: Callable[[Building], str]) -> None:
        """Take out who was erased meanwhile: the erasure did not know of the new table.

        What the user reported afterwards is put back.
        """
        while fresh := {user.user_id for user in await self._fresh_erasures()}:
            for user in sorted(fresh):
                for building in self.buildings:
                    await self._forget_one(building, user, where(building))
            self.facts.users_erased += len(fresh)

    async def _forget_one(self, building: Building, user: UUID, table: str) -> None:
        await self.warehouse.execute_on_shards(
            building.delete(user, of=table), settings={"mutations_sync": 2}
        )
        await self._inserts_end()
        await self._fill(building, OF_USER, {"user": user}, final=True, into=table)

    async def _fresh_erasures(self) -> Sequence[ErasedUser]:
        """Return the erasures since the last look, once they are carried out."""
        until = self.clock.now() + _PATIENCE_S
        while True:
            now = await self._erased()
            fresh = [user for user in now if not self._settled.is_done(user)]
            if all(user.done for user in fresh):
                for user in fresh:
                    self._settled.add(user)
                return fresh
            if self.clock.now() > until:
                msg = (
                    "an erasure is noted and the pipeline does not carry it out; see `ugc status`,"
                    " then rebuild again"
                )
                raise StillBusyError(msg)
            await self.clock.sleep(_LOOK_EVERY_S)

    async def _inserts_end(self) -> None:
        """Wait for inserts that began before now: they may not know of a table made since."""
        began = self.clock.now()
        while True:
            waited = self.clock.now() - began
            sql = _INSERTS.replace("{elapsed}", f"{waited:.3f}")
            if not any(int(str(count)) for (count,) in await self._each(sql)):
                return
            if waited > _PATIENCE_S:
                msg = f"an insert takes more than {_PATIENCE_S:g} s; rebuild again once it is over"
                raise StillBusyError(msg)
            await self.clock.sleep(_LOOK_EVERY_S)

    async def _fill(
        self,
        building: Building,
        where: str,
        values: Mapping[str, object],
        *,
        final: bool,
        into: str,
    ) -> None:
        sql = building.fill(where, values, final=final, into=into)
        await self.warehouse.execute_on_shards(sql, settings=_WITHIN_MEMORY)

    async def _erased(self) -> ErasedUsers:
        table = f"erasures{local_suffix(self.target)}"
        return await read_erased_everywhere(self.warehouse, table)

    async def _now_ms(self) -> int:
        """Return the earliest time that a node has."""
        times = await self._each("SELECT toUnixTimestamp64Milli(now64(3))")
        return min(int(str(now)) for (now,) in times)

    async def _count(self, table: str) -> int:
        answer = await self.warehouse.read(f"SELECT count() FROM {table}")  # noqa: S608 - a table of ours
        return int(str(answer.rows[0][0]))

    async def _each(self, sql: str) -> list[tuple[object, ...]]:
        """Return the rows of every node.

        Raises:
            WarehouseUnavailableError: A node did not answer.
        """
        rows: list[tuple[object, ...]] = []
        for answer in (await self.warehouse.read_each(sql)).values():
            if not isinstance(answer, Answer):
                raise answer
            rows += answer.rows
        return rows
