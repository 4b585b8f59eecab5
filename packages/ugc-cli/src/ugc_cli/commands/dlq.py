"""`ugc dlq`: dead letters, the lines that could not be stored."""

import asyncio
from typing import Annotated

import typer

from ugc_cli import console, letters
from ugc_cli.moments import HELP, parse_moment, show_moment
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.resolve import resolve
from ugc_core.clock import SystemClock
from ugc_core.exits import FAILURE, USAGE
from ugc_etl.letters.filters import Filters

app = typer.Typer(no_args_is_help=True)

_KEY_HELP = "Keys of letters, as `ugc dlq ls` prints them; all letters without one."
Keys = Annotated[list[str] | None, typer.Argument(metavar="[KEY]...", help=_KEY_HELP)]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Part of the reason, in any case.")
]
Partition = Annotated[
    int | None, typer.Option("--partition", metavar="P", min=0, help="Partition of the line.")
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help=f"Set aside since then: {HELP}.")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Set aside before then.")
]
Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most N.")]
DryRun = Annotated[bool, typer.Option("--dry-run", metavar=NO_VALUE, help="Count; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", metavar=NO_VALUE, help="Do not ask.")]


@app.callback()
def dlq() -> None:
    """Lines that could not be stored: look at them, send them again, or drop them."""


@app.command()
def ls(  # noqa: PLR0913, PLR0917 - an option each
    reason: Reason = None,
    partition: Partition = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most N.")] = 100,
    resolved: Annotated[
        bool,
        typer.Option("--resolved", metavar=NO_VALUE, help="Those that are done with, instead."),
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the dead letters that are open: one line each, or a JSON object each.

    Example: ugc dlq ls --reason progress --since 2h
    """
    filters = _filters(None, reason, partition, since, until)
    section = resolve(data).settings.log
    found, many = asyncio.run(letters.find(section, filters, limit=limit, resolved=resolved))
    if as_json:
        for letter in found:
            console.emit_json(letters.as_json(letter))
    elif found:
        became = ["became"] if resolved else []
        rows = [
            [
                letter.key,
                show_moment(letter.at_ms),
                *([letter.resolution] if resolved else []),
                letter.content.reason,
                letters.excerpt(letter),
            ]
            for letter in found
        ]
        console.emit_table(["key", "set aside", *became, "reason", "payload"], rows)
    if many > len(found):
        console.say(f"The first {len(found)} of {many}; --limit {many} shows all.")
    elif not found:
        console.say("No such dead letters.")


@app.command()
def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As `ugc dlq ls` prints it.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Print a dead letter whole, open or not.

    Example: ugc dlq show views:2:1234:0
    """
    letter = asyncio.run(letters.find_one(resolve(data).settings.log, key))
    if letter is None:
        console.say(f"error: there is no dead letter {key}; `ugc dlq ls` lists them", style="red")
        raise typer.Exit(FAILURE)
    fields = letters.as_json(letter)
    if as_json:
        console.emit_json(fields)
    else:
        console.emit_table(("field", "value"), [*fields.items()])


@app.command()
def redrive(  # noqa: PLR0913, PLR0917 - an option each
    keys: Keys = None,
    reason: Reason = None,
    partition: Partition = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Append the lines of dead letters to the log again, for the pipeline to take.

    Only lines that can be read by now; others stay, and are named: exit code 1. Interrupted,
    it can be repeated: a report that is sent twice is one report.

    Example: ugc dlq redrive --reason 'unknown schema version' --dry-run
    """
    filters = _filters(keys, reason, partition, since, until)
    settings = resolve(data).settings
    clock = SystemClock()
    if filters.everything and limit is None and not dry_run:
        _confirm(asyncio.run(letters.count(settings.log, filters, limit)), "sent again", yes=yes)
    done = asyncio.run(
        letters.redrive(settings, filters, limit=limit, dry_run=dry_run, clock=clock)
    )
    counts = {"redriven": done.redriven, "erased": done.erased, "stay": len(done.stay)}
    if as_json:
        stay = [{"key": key, "reason": why} for key, why in done.stay]
        console.emit_json({"dry_run": dry_run, **counts, "staying": stay})
    else:
        console.emit_table(("letters", "count"), [*counts.items()])
        for key, why in done.stay:
            console.say(f"stays: {key}: {why}")
    if dry_run:
        console.say("Nothing was changed.")
    elif done.stay:
        raise typer.Exit(FAILURE)


@app.command()
def drop(  # noqa: PLR0913, PLR0917 - an option each
    keys: Keys = None,
    reason: Reason = None,
    partition: Partition = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Set dead letters aside for good: no list, redrive or replay has them any more.

    Example: ugc dlq drop views:2:1234:0 --yes
    """
    filters = _filters(keys, reason, partition, since, until)
    settings = resolve(data).settings
    many = asyncio.run(letters.count(settings.log, filters, limit))
    if not dry_run:
        _confirm(many, "dropped for good", yes=yes)
        many = asyncio.run(letters.drop(settings, filters, limit=limit, clock=SystemClock()))
    if as_json:
        console.emit_json({"dry_run": dry_run, "dropped": many})
    else:
        console.emit_table(("letters", "count"), [("dropped", many)])
    if dry_run:
        console.say("Nothing was changed.")


def _filters(
    keys: Keys, reason: Reason, partition: Partition, since: Since, until: Until
) -> Filters:
    now_ms = SystemClock().wall_ms()
    return Filters(
        keys=frozenset(keys or ()),
        reason=reason,
        partition=partition,
        since_ms=parse_moment(since, option="--since", now_ms=now_ms),
        until_ms=parse_moment(until, option="--until", now_ms=now_ms),
    )


def _confirm(many: int, what: str, *, yes: bool) -> None:
    if yes or not many:
        return
    if not console.err().is_terminal:
        console.say(f"error: {many} dead letters would be {what}; add --yes, or --dry-run")
        raise typer.Exit(USAGE)
    typer.confirm(f"{many} dead letters will be {what}. Go on?", abort=True, err=True)
