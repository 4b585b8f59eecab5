"""`ugc replay`: reports once more, from the log or from files."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ugc_cli import console, file_replaying, rebuilding, replaying, table_replaying
from ugc_cli.file_replaying import FileOptions
from ugc_cli.moments import HELP, parse_moment
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.replaying import LogOptions, Outcome
from ugc_cli.resolve import resolve
from ugc_core.clock import SystemClock
from ugc_core.exits import FAILURE
from ugc_core.settings import Settings
from ugc_core.telemetry import configure_logging

app = typer.Typer(no_args_is_help=True)

Rate = Annotated[
    float | None,
    typer.Option("--rate", metavar="N", min=1, help="At most N events a second."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", metavar=NO_VALUE, help="Count exactly; change nothing.")
]


@app.callback()
def replay() -> None:
    """Reports once more: from the log into the warehouse, or from files into the log."""


@app.command()
def log(  # noqa: PLR0913, PLR0917 - an option each
    everything: Annotated[
        bool, typer.Option("--all", metavar=NO_VALUE, help="Everything that the log holds.")
    ] = False,
    from_time: Annotated[
        str | None, typer.Option("--from-time", metavar="TIME", help=f"Appended since: {HELP}.")
    ] = None,
    until_time: Annotated[
        str | None, typer.Option("--until-time", metavar="TIME", help="Appended before.")
    ] = None,
    partition: Annotated[
        int | None, typer.Option("--partition", metavar="P", min=0, help="This one alone.")
    ] = None,
    from_offset: Annotated[
        int | None, typer.Option("--from-offset", metavar="N", min=0, help="The first offset.")
    ] = None,
    until_offset: Annotated[
        int | None,
        typer.Option("--until-offset", metavar="N", min=0, help="The offset after the last."),
    ] = None,
    offsets: Annotated[
        list[str] | None,
        typer.Option(
            "--offsets", metavar="P:FIRST-LAST", help="A range, both included; may be repeated."
        ),
    ] = None,
    gaps: Annotated[
        bool,
        typer.Option("--gaps", metavar=NO_VALUE, help="What the ledger lacks; closes the gaps."),
    ] = False,
    dlq: Annotated[
        bool,
        typer.Option("--dlq", metavar=NO_VALUE, help="Dead letters that can be read by now."),
    ] = False,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="ID", help="Go on with an interrupted one.")
    ] = None,
    swap: Annotated[
        bool,
        typer.Option(
            "--swap",
            metavar=NO_VALUE,
            help="Build `playback` and `resume_points` anew from the stored reports.",
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", metavar=NO_VALUE, help="Drop what a killed --swap has left.")
    ] = False,
    dry_run: DryRun = False,
    rate: Rate = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Put a part of the log into the warehouse again.

    The running pipeline is not touched: nothing is committed for it. What is stored already
    stays one row; erased users stay erased. Ctrl-C finishes the batch in hand and prints how
    to go on.

    --swap makes new derived tables beside those in use, fills them from `views_raw` while
    reports go on coming in, and exchanges the names. On a cluster that is not atomic: each
    shard exchanges for itself, so for a moment a reader may see old tables on one shard and
    new ones on another. After the exchange of a table, what was inserted in that very moment
    is repeated; until then, for about a second, a report may be missing in it.

    Example: ugc replay log --from-time 2h --dry-run
    """
    now_ms = SystemClock().wall_ms()
    options = LogOptions(
        everything=everything,
        from_ms=parse_moment(from_time, option="--from-time", now_ms=now_ms),
        until_ms=parse_moment(until_time, option="--until-time", now_ms=now_ms),
        partition=partition,
        from_offset=from_offset,
        until_offset=until_offset,
        offsets=offsets or (),
        gaps=gaps,
        dlq=dlq,
        resume=resume,
        swap=swap,
    )
    replaying.check(options)
    settings = resolve(data).settings
    configure_logging(settings, service="ugc replay")
    if swap:
        _swap(settings, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    outcome = asyncio.run(
        replaying.replay_log(settings, options, dry_run=dry_run, rate=rate, clock=SystemClock())
    )
    if as_json:
        console.emit_json(outcome.as_json())
    else:
        _show_log(outcome)
    if not outcome.finished:
        again = (
            "run it again" if dry_run else f"go on with: ugc replay log --resume {outcome.plan.id}"
        )
        console.say(f"Interrupted; {again}")
        raise typer.Exit(FAILURE)


@app.command()
def file(  # noqa: PLR0913, PLR0917 - an option each
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...", help="NDJSON, gzipped NDJSON, Parquet, or files of `ugc archive`."
        ),
    ] = None,
    from_table: Annotated[
        str | None,
        typer.Option(
            "--from-table",
            metavar="DB.TABLE",
            help="Take the rows of the replaced system's table instead, from the warehouse.",
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", metavar=NO_VALUE, help="One bad line, and nothing is sent."),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", metavar=NO_VALUE, help="Go on where it was interrupted.")
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="FILE", help="Where to keep how far it is; in the data directory."
        ),
    ] = None,
    dry_run: DryRun = False,
    rate: Rate = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Append the reports in files to the log, for the pipeline to take.

    Each line is one report, with the fields and the checks of the API, and its `user_id`; it
    may be as old as it likes. Records of the replaced system are recognised. A report without
    an `event_id` gets one made of its content: a file that is sent twice is stored once. Bad
    lines are listed, and the others sent: exit code 1.

    An archive's lines are appended as they were, with their ids; those of users that were
    erased since stay out. --from-table takes over the replaced system's table, such as
    `movies.views` (film_id, user_id, progress, total, created_at), without changing it.

    Example: ugc replay file history.ndjson.gz --dry-run
    """
    if bool(files) == (from_table is not None):
        msg = "name files, or a table by --from-table"
        raise typer.BadParameter(msg)
    options = FileOptions(
        files=files or (),
        table=from_table,
        strict=strict,
        resume=resume,
        state=state,
        dry_run=dry_run,
        rate=rate,
    )
    settings = resolve(data).settings
    configure_logging(settings, service="ugc replay")
    send = file_replaying.replay_files if from_table is None else table_replaying.replay_table
    outcome = asyncio.run(send(settings, options, clock=SystemClock()))
    if as_json:
        console.emit_json(outcome.as_json())
    else:
        file_replaying.show(outcome)
    if not outcome.finished:
        console.say("Interrupted; go on with the same command and --resume")
    if not outcome.finished or outcome.tally.refused:
        raise typer.Exit(FAILURE)


def _swap(settings: Settings, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    outcome = asyncio.run(
        rebuilding.rebuild(settings, dry_run=dry_run, yes=yes, clock=SystemClock())
    )
    if as_json:
        console.emit_json(outcome.as_json())
    else:
        rebuilding.show(outcome)
    if not outcome.finished and not dry_run:
        console.say("Interrupted; the tables in use are as they were. Begin again with the same")
        raise typer.Exit(FAILURE)


def _show_log(outcome: Outcome) -> None:
    if not outcome.plan.spans:
        console.say("Nothing to replay.")
        return
    counts = outcome.as_json()
    names = ["records", "lines", "events", "dead", "erased"]
    if outcome.dry_run:
        names.append("already")
    console.emit_table(("replayed", "count"), [(name, counts[name]) for name in names])
    if outcome.dry_run:
        console.say("Nothing was changed.")
