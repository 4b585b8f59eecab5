"""`ugc offsets`: where the pipeline's group stands in the log, and a move on purpose."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from ugc_cli import console, moving
from ugc_cli.moments import HELP, parse_moment
from ugc_cli.moving import Place, Seen, Skipped, Target
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.positions import Move
from ugc_cli.resolve import resolve_log
from ugc_core.clock import SystemClock
from ugc_core.exits import USAGE
from ugc_core.log_rules import group_in_use

app = typer.Typer(no_args_is_help=True)


@app.callback()
def offsets() -> None:
    """Where the pipeline's group stands in the log, and a move on purpose."""


@app.command()
def show(data: Data = None, as_json: AsJson = False) -> None:
    """Print how far the group is in each partition, and who reads for it.

    `ledger` is where the batches end that the warehouse has noted as stored; `note` is the
    batch that the last commit announces.

    Example: ugc offsets show
    """
    settings, warehouse = resolve_log(data)
    seen = asyncio.run(moving.look(settings, warehouse=warehouse))
    if as_json:
        console.emit_json(_as_json(seen))
        return
    rows = [
        (one.partition, one.low, one.committed, one.high, one.lag, one.ledger, one.note)
        for one in seen.standings
    ]
    console.emit_table(("partition", "oldest", "committed", "end", "lag", "ledger", "note"), rows)
    for member in seen.members:
        console.say(f"group {seen.group} is read by {member}")
    if not seen.members:
        console.say(f"Nobody reads for group {seen.group}.")
    _say_silence(seen, "")


@app.command()
def reset(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="PLACE",
            help="earliest, latest, ledger (where what is stored ends), an offset of one"
            f" --partition, or the first record since a time: {HELP}.",
        ),
    ],
    partition: Annotated[
        list[int] | None,
        typer.Option("--partition", metavar="P", min=0, help="Only this one; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar=NO_VALUE, help="Only show the plan.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", metavar=NO_VALUE, help="Do not ask.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Have the pipeline's group continue somewhere else, while no pipeline runs.

    Going back repeats, which is harmless: a report that is stored again stays one row. Going
    forward past records that are not stored leaves them out; `ugc verify` names them as a
    gap, and `ugc replay log --gaps` stores them as long as the log has them.

    Exit code 5 if somebody reads for the group.

    Example: ugc offsets reset --partition 3 --to earliest --dry-run
    """
    settings, warehouse = resolve_log(data)
    chosen = frozenset(partition or ())
    target = _target(to, chosen)
    clock = SystemClock()
    seen = asyncio.run(moving.look(settings, warehouse=warehouse))
    _check_partitions(seen, chosen)
    moves = asyncio.run(moving.plan(settings.log, seen, target, chosen))
    if seen.members and not dry_run:
        raise group_in_use(seen.group, seen.members)
    skipped = asyncio.run(moving.count_skipped(settings.log, moves, clock=clock))
    _show_plan(seen, moves, skipped, as_json=as_json, dry_run=dry_run)
    if dry_run or not moves:
        return
    _confirm(len(moves), yes=yes)
    asyncio.run(moving.carry_out(settings.log, moves))
    console.say(f"Group {seen.group} was moved. Start the pipeline again.")


def _target(text: str, chosen: frozenset[int]) -> Target:
    if text in {*Place}:
        return Target(place=Place(text))
    if text.isdecimal():
        if len(chosen) != 1:
            msg = f"--to {text} is an offset, which means something in one --partition alone"
            raise typer.BadParameter(msg)
        return Target(offset=int(text))
    now_ms = SystemClock().wall_ms()
    return Target(at_ms=parse_moment(text, option="--to", now_ms=now_ms))


def _check_partitions(seen: Seen, chosen: frozenset[int]) -> None:
    there = {one.partition for one in seen.standings}
    for missing in sorted(chosen - there):
        msg = f"{seen.topic} has no partition {missing}; it has {len(there)}, from 0"
        raise typer.BadParameter(msg)


def _show_plan(
    seen: Seen,
    moves: Sequence[Move],
    skipped: Mapping[int, Skipped],
    *,
    as_json: bool,
    dry_run: bool,
) -> None:
    if as_json:
        plan = [_move_as_json(one, skipped[one.partition]) for one in moves]
        console.emit_json({"dry_run": dry_run, **_as_json(seen), "moves": plan})
    elif moves:
        rows = [
            (
                one.partition,
                "none" if one.at is None else one.at,
                one.to,
                skipped[one.partition].records,
                one.gone,
                one.repeated,
            )
            for one in moves
        ]
        console.emit_table(("partition", "from", "to", "skipped", "gone", "again"), rows)
    if not moves:
        console.say(f"Group {seen.group} stands there already: nothing to do.")
    for one in moves:
        _say_move(seen.topic, one, skipped[one.partition])
    _say_silence(seen, "; what is below the group's position counts as stored")
    if dry_run:
        console.say("Nothing was changed.")
        if moves and seen.members:
            console.say(str(group_in_use(seen.group, seen.members)), style="yellow")


def _say_move(topic: str, one: Move, skipped: Skipped) -> None:
    where = f"{topic}[{one.partition}]"
    ranges = ", ".join(f"{span.start} to {span.end - 1}" for span in one.skipped)
    if skipped.records:
        console.say(
            f"{where}: {skipped.records:,} records with {skipped.lines:,} lines are skipped that"
            f" were never stored (offsets {ranges}). `ugc verify` names them as a gap; `ugc"
            " replay log --gaps` stores them as long as the log has them.",
            style="yellow",
        )
    if skipped.erasures:
        console.say(
            f"{where}: {skipped.erasures:,} of them ask to forget users, who stay until"
            " `ugc replay log --gaps`, or until they are forgotten again (`ugc forget`).",
            style="yellow",
        )
    if one.gone:
        console.say(
            f"{where}: {one.gone:,} offsets have left the log and were never stored (offsets"
            f" {ranges}): look for them in an archive. `ugc verify` names them as a gap.",
            style="yellow",
        )
    if one.repeated:
        console.say(
            f"{where}: up to {one.repeated:,} records are stored again, which is harmless: each"
            " report stays one row, and who is forgotten stays forgotten."
        )


def _say_silence(seen: Seen, then: str) -> None:
    if seen.ledger_silent is not None:
        console.say(f"What is stored is not known: {seen.ledger_silent}{then}.", style="yellow")


def _as_json(seen: Seen) -> Mapping[str, object]:
    partitions = [
        {
            "partition": one.partition,
            "low": one.low,
            "committed": one.committed,
            "high": one.high,
            "lag": one.lag,
            "ledger": one.ledger,
            "note": one.note,
        }
        for one in seen.standings
    ]
    return {
        "group": seen.group,
        "topic": seen.topic,
        "members": seen.members,
        "partitions": partitions,
        "ledger_silent": seen.ledger_silent,
    }


def _move_as_json(one: Move, skipped: Skipped) -> Mapping[str, object]:
    return {
        "partition": one.partition,
        "from": one.at,
        "to": one.to,
        "skipped": {
            "ranges": [{"first": span.start, "last": span.end - 1} for span in one.skipped],
            "records": skipped.records,
            "lines": skipped.lines,
            "erasures": skipped.erasures,
            "gone": one.gone,
        },
        "repeated": one.repeated,
    }


def _confirm(many: int, *, yes: bool) -> None:
    if yes:
        return
    where = f"{many} partition{'s' if many > 1 else ''}"
    if not console.err().is_terminal:
        console.say(f"error: {where} would be moved; add --yes, or --dry-run")
        raise typer.Exit(USAGE)
    typer.confirm(f"The group will be moved in {where}. Go on?", abort=True, err=True)
