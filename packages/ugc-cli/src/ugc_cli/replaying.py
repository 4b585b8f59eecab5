"""What the `ugc replay` commands do with their options."""

import asyncio
import re
from collections.abc import Mapping, Sequence

import msgspec
import typer
from msgspec import Struct

from ugc_cli import console
from ugc_cli.interrupts import until_done_or_stopped
from ugc_cli.progress import Meter, metered
from ugc_core.clock import Clock
from ugc_core.settings import Settings
from ugc_etl.replay.bootstrap import LogReplays, open_log_replays
from ugc_etl.replay.plans import Kind, Plan, Selection
from ugc_etl.replay.spans import Span, size
from ugc_etl.replay.tallies import Tally

_RANGE = re.compile(r"(\d{1,5}):(\d{1,19})-(\d{1,19})")


class LogOptions(Struct, frozen=True, kw_only=True):
    """The options of `ugc replay log`, as they were given."""

    everything: bool
    from_ms: int | None
    until_ms: int | None
    partition: int | None
    from_offset: int | None
    until_offset: int | None
    offsets: Sequence[str]
    gaps: bool
    dlq: bool
    resume: str | None
    swap: bool = False


class Outcome(Struct, frozen=True, kw_only=True):
    """How a replay of the log ended.

    Attributes:
        plan: The replay.
        tally: What this run has counted.
        finished: Whether nothing of the plan is left.
        dry_run: Whether it was only counted.
    """

    plan: Plan
    tally: Tally
    finished: bool
    dry_run: bool

    def as_json(self) -> Mapping[str, object]:
        """Return everything by name."""
        tally = msgspec.structs.asdict(self.tally)
        tally.pop("offsets")
        if not self.dry_run:
            tally.pop("already")
        return {
            "id": None if self.dry_run or not self.plan.spans else self.plan.id,
            "source": self.plan.kind,
            "topic": self.plan.topic,
            "dry_run": self.dry_run,
            "finished": self.finished,
            "ranges": [
                {"partition": span.partition, "first": span.start, "last": span.end - 1}
                for span in self.plan.spans
            ],
            **tally,
        }


def check(options: LogOptions) -> None:
    """Make sure that the options mean one thing.

    Raises:
        typer.BadParameter: They mean nothing, or two things at once.
    """
    times = options.from_ms is not None or options.until_ms is not None
    bounds = options.from_offset is not None or options.until_offset is not None
    ways = {
        "--all": options.everything,
        "--from-time/--until-time": times,
        "--from-offset/--until-offset": bounds and not options.gaps,
        "--offsets": bool(options.offsets),
        "--gaps": options.gaps,
        "--dlq": options.dlq,
        "--swap": options.swap,
    }
    chosen = [name for name, given in ways.items() if given]
    if options.resume is not None:
        if chosen or options.partition is not None:
            msg = "--resume goes on with the ranges that were planned; leave the others out"
            raise typer.BadParameter(msg)
        return
    if len(chosen) != 1:
        what = " and ".join(chosen) if chosen else "nothing was chosen"
        msg = f"say which part of the log, in one way of {', '.join(ways)}; {what}"
        raise typer.BadParameter(msg)
    if bounds and options.partition is None:
        msg = "offsets are a partition's: add --partition P"
        raise typer.BadParameter(msg)
    if options.partition is not None and (options.dlq or options.offsets or options.swap):
        msg = f"{chosen[0]} and --partition do not go together"
        raise typer.BadParameter(msg)
    select(options)


def select(options: LogOptions) -> Selection:
    """Return what the options select."""
    kind = Kind.GAPS if options.gaps else Kind.LETTERS if options.dlq else Kind.LOG
    return Selection(
        kind=kind,
        ranges=tuple(map(_range, options.offsets)),
        partition=options.partition,
        from_offset=options.from_offset,
        until_offset=options.until_offset,
        from_ms=options.from_ms,
        until_ms=options.until_ms,
    )


def _range(text: str) -> Span:
    found = _RANGE.fullmatch(text)
    if found is None or int(found[2]) > int(found[3]):
        msg = f"--offsets {text!r}: write P:FIRST-LAST, both included, such as 2:100-250"
        raise typer.BadParameter(msg)
    return Span(partition=int(found[1]), start=int(found[2]), end=int(found[3]) + 1)


async def replay_log(
    settings: Settings,
    options: LogOptions,
    *,
    dry_run: bool,
    rate: float | None,
    clock: Clock,
) -> Outcome:
    """Plan, or take up, a replay of the log, and carry it out until done or interrupted."""
    async with open_log_replays(settings, clock=clock) as replays:
        plan = await _plan(replays, options)
        spans = await replays.left(plan) if options.resume else plan.spans
        what = "counting" if dry_run else f"replay {plan.id}"
        tally = Tally()

        async def work(stop: asyncio.Event) -> bool:
            if dry_run:
                return await replays.count(plan, spans, stop=stop, told=told)
            await replays.keep(plan)
            return await replays.run(plan, spans, stop=stop, told=told, rate=rate)

        with metered(what, size(spans), clock) as meter:

            def told(now: Tally) -> None:
                nonlocal tally
                tally = now
                _reach(meter, now)

            if spans and not dry_run:
                console.say(f"Replay {plan.id}.", style="dim")
            done = (
                await until_done_or_stopped(work, drain_s=settings.etl.drain_s) if spans else True
            )
    return Outcome(plan=plan, tally=tally, finished=bool(done), dry_run=dry_run)


async def _plan(replays: LogReplays, options: LogOptions) -> Plan:
    if options.resume is None:
        return await replays.plan(select(options))
    plan = await replays.find(options.resume)
    if plan is None:
        msg = f"there is no replay {options.resume}; its id is printed when it begins"
        raise typer.BadParameter(msg)
    return plan


def _reach(meter: Meter, tally: Tally) -> None:
    meter.reach(tally.offsets, f"{tally.records:,} records, {tally.events:,} reports")
