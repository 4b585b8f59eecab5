"""What `ugc replay log --swap` does."""

import asyncio
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from ugc_cli import console
from ugc_cli.interrupts import until_done_or_stopped
from ugc_cli.progress import metered
from ugc_core.clock import Clock
from ugc_core.settings import Settings
from ugc_etl.replay.bootstrap import open_rebuild
from ugc_etl.replay.rebuild import Rebuilt

_CLEARING_S = 600.0
"""Longest wait for the part in hand and for clearing away, once it was told to stop."""


class SwapOutcome(Struct, frozen=True, kw_only=True):
    """How a rebuild ended.

    Attributes:
        facts: What was counted.
        finished: Whether the new tables are in use; if not, nothing has changed.
        dry_run: Whether it was only counted.
    """

    facts: Rebuilt
    finished: bool
    dry_run: bool

    def as_json(self) -> Mapping[str, object]:
        """Return everything by name."""
        return {
            "dry_run": self.dry_run,
            "finished": self.finished,
            **msgspec.structs.asdict(self.facts),
        }


def show(outcome: SwapOutcome) -> None:
    """Print the rows of each table, before and after."""
    facts = outcome.facts
    rows = [
        (name, before, facts.rows_after.get(name, "")) for name, before in facts.rows_before.items()
    ]
    console.emit_table(("table", "rows before", "rows after"), rows)
    if outcome.dry_run:
        console.say(
            f"Would be built anew from {facts.reports:,} reports, in {facts.steps} parts."
            " Nothing was changed."
        )
    elif outcome.finished:
        console.say(
            "The new tables are in use. Fewer rows than before are no loss: rows of one key merge."
        )


async def rebuild(settings: Settings, *, dry_run: bool, yes: bool, clock: Clock) -> SwapOutcome:
    """Build the derived tables anew, until done or interrupted.

    Args:
        settings: The settings.
        dry_run: Only count.
        yes: Drop what another rebuild has left.
        clock: Time.

    Raises:
        LeftoverError: Another rebuild runs, or was killed, and `yes` was not said.
        RawReportsGoError: The raw reports do not go back far enough.
    """
    async with open_rebuild(settings, clock=clock, told=lambda _: None) as building:
        if yes and not dry_run:
            await building.drop_leftovers()
        await building.check()
        facts = await building.measure()
        if dry_run:
            return SwapOutcome(facts=facts, finished=False, dry_run=True)
        with metered("rebuild", facts.steps, clock) as meter:
            building.told = lambda now: meter.reach(now.done, f"{now.done} of {now.steps} parts")

            async def work(stop: asyncio.Event) -> bool:
                return await building.execute(stop)

            done = await until_done_or_stopped(work, drain_s=_CLEARING_S)
        return SwapOutcome(facts=building.facts, finished=bool(done), dry_run=False)
