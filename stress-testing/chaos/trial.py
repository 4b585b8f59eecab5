"""One run: traffic before, during and after a fault, then the verdict of the oracle."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from uuid import UUID

from chaos.cluster import Cluster
from chaos.journal import Journal, Outcome
from chaos.judge import Difference, judge
from chaos.log_reading import Place, committed, high_marks
from chaos.looks import Memory, all_of, grown, memory_mib, verified
from chaos.parts import Places
from chaos.players import Players
from chaos.programs import LateError, until_told
from chaos.stored import Stored, read_stored
from chaos.systems import System
from chaos.traffic import Pace, Traffic
from ugc_core.bootstrap import open_log_writer
from ugc_core.clock import SystemClock
from ugc_core.codec import EVENT_HEADERS, log_key
from ugc_core.errors import UgcError

RECOVER_S = 60.0
REST_S = 120.0
_BACKLOG = 20_000


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How large a run is, and where it plays.

    Attributes:
        folder: An empty directory.
        events: At least so many reports.
        seed: Decides what is reported and when faults strike.
        long: Whether faults last and repeat as the matrix says.
        tokens: Whether inserts carry deduplication tokens.
        cluster: The brokers of the log, where it is none in a file.
    """

    folder: Path
    events: int
    seed: int
    long: bool = False
    tokens: bool = True
    cluster: Cluster | None = None

    @cached_property
    def places(self) -> Places:
        """Where everything is kept; on brokers with topics that nobody else has."""
        if self.cluster is None:
            return Places.inside(self.folder)
        return self.cluster.places(self.folder, long=self.long)

    @property
    def brokers(self) -> Cluster:
        """The brokers of a row that needs some.

        Raises:
            TypeError: The log is a file.
        """
        if self.cluster is None:
            msg = "this row needs brokers"
            raise TypeError(msg)
        return self.cluster

    @property
    def look_every_s(self) -> float:
        """How often to look at the log: on brokers each look is a few connections."""
        return 0.02 if self.cluster is None else 0.15

    @property
    def environment(self) -> dict[str, str]:
        """What the pipeline is told."""
        return {} if self.tokens else {"UGC_ETL__INSERT_TOKENS": "false"}

    @property
    def pace(self) -> Pace:
        """How fast players report."""
        if self.long:
            return Pace(senders=4, users=40, batch=100, rate=4000)
        if self.cluster is not None:  # its rows wait for brokers, meanwhile players go on
            return Pace(senders=3, users=9, batch=10, rate=150)
        return Pace(senders=3, users=9, batch=10, rate=400)


@dataclass(kw_only=True)
class Verdict:
    """What came out.

    Attributes:
        figures: Numbers for the report.
        differences: What is not as it has to be; none is the only good answer.
    """

    figures: dict[str, object]
    differences: list[Difference]


@dataclass(kw_only=True)
class Trial:
    """A system under traffic.

    Attributes:
        stage: How large.
        system: What is tried.
        traffic: What its players do.
        poison: Lines that were put into the log and are no reports.
        gone: Ids that must not be stored any more.
        reread: Whether the log was read again from its beginning.
        wrong: What the scenario itself has seen.
        facts: Its own figures.
        recovered_s: How long each recovery took.
        samples: Resident memory before the first fault and after each, by service.
    """

    stage: Stage
    system: System
    traffic: Traffic
    poison: set[Place] = field(default_factory=set)
    gone: set[UUID] = field(default_factory=set)
    reread: bool = False
    wrong: list[Difference] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)
    recovered_s: list[float] = field(default_factory=list)
    samples: list[Memory] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        """What the senders know."""
        return self.traffic.journal

    def expect(self, *, that: bool, what: str) -> None:
        """Note a difference unless something holds."""
        if not that:
            self.wrong.append(Difference("expectation", what))

    async def share(self, of: int = 3) -> None:
        """Let a share of the reports go by."""
        await self.traffic.more(-(-self.stage.events // of))

    @asynccontextmanager
    async def fault(self) -> AsyncIterator[None]:
        """Have a fault in the block; then everything has to work again in time."""
        yield
        await self.recovered()
        self.samples.append(memory_mib(self.system))

    async def warm_up(self) -> None:
        """Have the pipeline work off a backlog, as after any start, and weigh every service.

        A fresh process grows into its buffers: what it holds before its first full batch says
        nothing about what it holds back after a fault.
        """
        etl = self.system.services()["ugc_etl"]
        etl.suspend()
        try:
            await self.traffic.more(_BACKLOG)
        finally:
            etl.resume()
        await self.recovered()
        self.recovered_s.clear()
        self.weigh_anew()

    def weigh_anew(self) -> None:
        """Measure growth from here."""
        self.samples[:] = [memory_mib(self.system)]

    async def recovered(self) -> None:
        """Wait until reports are accepted again, and what was accepted so far is delivered."""
        began, accepted = time.monotonic(), self.traffic.accepted
        marks: Mapping[int, int] = {}

        async def working() -> bool:
            nonlocal marks
            try:
                marks = marks or await high_marks(self.system.settings.log)
                at = await committed(self.system.settings.log)
            except UgcError:
                return False
            delivered = all(at.get(partition, 0) >= high for partition, high in marks.items())
            return delivered and self.traffic.accepted > accepted

        try:
            every_s = self.stage.look_every_s
            await until_told(working, "it works again", within_s=RECOVER_S, every_s=every_s)
        except LateError as error:
            self.wrong.append(Difference("recovery", str(error)))
        self.recovered_s.append(round(time.monotonic() - began, 2))

    async def put_poison(self, many: int, *, key: UUID | None = None, salt: int = 0) -> None:
        """Append records to the log that hold no report, each on its own.

        They are appended at once: records of one key then follow each other.
        """
        section = self.system.settings.log
        owner = log_key(key or UUID(int=salt + 1))
        async with open_log_writer(section, section.topic, clock=SystemClock()) as writer:
            receipts = await asyncio.gather(
                *(
                    writer.append(
                        owner,
                        [b'{"no report": %d}' % (salt + number)],
                        headers=(*EVENT_HEADERS, ("poison", b"%d" % number)),  # so none is packed
                    )
                    for number in range(many)
                )
            )
        self.poison |= {Place(at.partition, at.offset, at.line) for at in receipts}

    async def rest(self) -> None:
        """Wait until everything that is in the log is delivered."""

        async def delivered() -> bool:
            high = await high_marks(self.system.settings.log)
            at = await committed(self.system.settings.log)
            return all(at.get(partition, 0) >= mark for partition, mark in high.items() if mark)

        every_s = self.stage.look_every_s
        await until_told(delivered, "the pipeline has caught up", within_s=REST_S, every_s=every_s)

    async def verdict(self) -> Verdict:
        """Compare, at rest."""
        await self.rest()
        after = memory_mib(self.system)
        events = self.journal.events
        films = sorted({event.film_id for event in events.values()})
        live_ms = max((event.event_time_ms for event in events.values()), default=0)
        stored = await read_stored(self.system.settings, films, live_ms)
        found = judge(
            self.journal,
            stored,
            live_ms=live_ms,
            poison=self.poison,
            foreign=self.gone,
            reread=self.reread,
        )
        found += await verified(self.system)
        if self.stage.long:  # a few hundred reports say nothing of a leak
            found += grown(self.samples[0], after)
        if self.traffic.refusals:
            found.append(Difference("refused", self.traffic.refusals[0]))
        if (made := len(events)) < self.stage.events:
            found.append(Difference("too few", f"{made} reports"))
        figures = {
            **self._figures(stored),
            "resident_mib": all_of([*self.samples, after]),
            **self.facts,
        }
        return Verdict(figures=figures, differences=[*self.wrong, *found])

    def _figures(self, stored: Stored) -> dict[str, object]:
        known = len(stored.rows) + len(self.poison) + len(self.gone)
        return {
            "reports": len(self.journal.events),
            "accepted": len(self.journal.only(Outcome.OK)),
            "unknown_then_repeated": len(self.journal.unknowns),
            "stored": len(stored.rows),
            "copies_in_log": stored.log_lines - known,
            "poison": len(self.poison),
            "playback_rows": len(stored.playback),
            "resume_points": len(stored.resume),
            "films": len(stored.films),
            "recovered_s": max(self.recovered_s, default=None),
            "slowest_202_s": round(self.traffic.slowest_s, 2),
        }


@asynccontextmanager
async def trial(
    stage: Stage, system: System, *, pace: Pace | None = None, copies: int = 1
) -> AsyncIterator[Trial]:
    """Send traffic for as long as the block runs, then until every outcome is known."""
    pace = pace or stage.pace
    players = Players(stage.seed, users=pace.users, now_ms=SystemClock().wall_ms())
    traffic = Traffic(system=system, journal=Journal(), players=players, pace=pace, copies=copies)
    async with traffic.flowing():
        run = Trial(stage=stage, system=system, traffic=traffic)
        if stage.long:
            await run.warm_up()
        yield run
