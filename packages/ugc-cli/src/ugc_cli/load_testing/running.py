"""A load test from the first request to the last arrival."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from uuid import UUID

from ugc_cli.load_testing.arrival import Arrival, ArrivalCheck
from ugc_cli.load_testing.exchanges import Exchange, Outcome, Plan
from ugc_cli.load_testing.generating import Generator, GeneratorError, generator
from ugc_cli.load_testing.journal import Journal
from ugc_cli.load_testing.statistics import Statistics
from ugc_cli.load_testing.viewers import Viewers
from ugc_cli.load_testing.viewing import film_id
from ugc_core.bootstrap import open_warehouse
from ugc_core.clock import Clock
from ugc_core.settings import WarehouseSection

_TICK_S = 1.0


@dataclass(kw_only=True)
class Result:
    """What a load test found.

    Attributes:
        statistics: Of the requests.
        seconds: From the start of the load to its end.
        outcomes: Distinct event ids by what became of them.
        arrival: What the warehouse has of them; None: it was not asked.
        ended_early: Whether a person has ended the load.
        failure: How the generator failed; empty: it did not.
    """

    statistics: Statistics = field(default_factory=Statistics)
    seconds: float = 0.0
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    arrival: Arrival | None = None
    ended_early: bool = False
    failure: str = ""


@dataclass(kw_only=True)
class LoadTest:
    """One load test.

    Attributes:
        plan: What the generator does.
        viewers: Who they are.
        warehouse: Where everything has to arrive; None: do not check.
        patience_s: Give up waiting when nothing has arrived for so long.
        clock: Time.
        tick: Is called every second of the load with what is known so far.
        told: Is called while arrivals are waited for, with (arrived, accepted).
    """

    plan: Plan
    viewers: Viewers
    warehouse: WarehouseSection | None
    patience_s: float
    clock: Clock
    tick: Callable[[Result], None]
    told: Callable[[int, int], None]
    _result: Result = field(default_factory=Result)

    async def run(self, stop: asyncio.Event) -> Result:
        """Run it; `stop` ends the load, and what was accepted is checked all the same."""
        since_ms = self.clock.wall_ms()
        with Journal.temporary() as journal:
            await self._load(journal, stop)
            self._result.ended_early = stop.is_set()
            self._result.outcomes = dict(journal.counts())
            stop.clear()  # from now on it ends the wait for arrivals
            if self.warehouse is not None:
                await self._check(journal, self.warehouse, since_ms, stop)
        return self._result

    async def _load(self, journal: Journal, stop: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            playing = await stack.enter_async_context(generator(self.plan))
            await playing.ready()
            began = self.clock.now()
            tasks = [
                asyncio.create_task(self._tell_every_second(began)),
                asyncio.create_task(_stop_on(stop, playing)),
            ]
            stack.callback(lambda: [task.cancel() for task in tasks])
            try:
                async for exchange in playing.exchanges():
                    self._note(exchange, journal, began)
            except GeneratorError as error:
                self._result.failure = str(error)
            self._result.seconds = self.clock.now() - began

    def _note(self, exchange: Exchange, journal: Journal, began: float) -> None:
        journal.note(exchange)
        self._result.statistics.add(exchange, second=int(self.clock.now() - began))

    async def _tell_every_second(self, began: float) -> None:
        while True:
            await self.clock.sleep(_TICK_S)
            self._result.seconds = self.clock.now() - began
            self.tick(self._result)

    async def _check(
        self, journal: Journal, section: WarehouseSection, since_ms: int, stop: asyncio.Event
    ) -> None:
        films: list[UUID] = [film_id(number) for number in range(self.plan.scenario.films)]
        async with open_warehouse(section) as warehouse:
            check = ArrivalCheck(
                journal=journal,
                warehouse=warehouse,
                users=self.viewers.users,
                films=films,
                since_ms=since_ms,
                patience_s=self.patience_s,
                clock=self.clock,
                tell=self.told,
            )
            self._result.arrival = await check.run(stop)


async def _stop_on(stop: asyncio.Event, playing: Generator) -> None:
    await stop.wait()
    playing.stop()
