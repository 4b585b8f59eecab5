"""`ugc archive`: closed ranges of the log to Parquet."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ugc_cli import archiving, console
from ugc_cli.archiving import ArchiveOptions
from ugc_cli.moments import HELP, parse_moment
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.resolve import resolve
from ugc_core.clock import SystemClock
from ugc_core.exits import FAILURE, LOSS_FOUND
from ugc_core.telemetry import configure_logging
from ugc_etl.archive.errors import ArchiveMismatchError


def archive(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the archive is.")],
    until_time: Annotated[
        str | None,
        typer.Option("--until-time", metavar="TIME", help=f"Appended before: {HELP}."),
    ] = None,
    topic: Annotated[
        str | None, typer.Option("--topic", help="Topic to archive; the settings' by default.")
    ] = None,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget", metavar=NO_VALUE, help="Only take erased users out of the files there."
        ),
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Keep what the log holds as Parquet files, before its retention takes it.

    Exports what the pipeline has ingested and the folder does not have yet: a second run adds
    what is new. Every range is held against the hash that the ledger has of it; exit code 3
    if the log holds something else. `ugc replay file` reads the files back.

    Lines of erased users are left out. Each run first looks through the files that are older
    than the last erasure, and rewrites those that still hold such lines; so run it after
    `ugc forget`, or run --forget, which does only that.

    Example: ugc archive /backup/views --until-time 1h
    """
    now_ms = SystemClock().wall_ms()
    options = ArchiveOptions(
        folder=folder,
        topic=topic,
        until_ms=parse_moment(until_time, option="--until-time", now_ms=now_ms),
        forget=forget,
    )
    settings = resolve(data).settings
    configure_logging(settings, service="ugc archive")
    try:
        outcome = asyncio.run(archiving.archive(settings, options, clock=SystemClock()))
    except ArchiveMismatchError as error:
        console.say(f"error: {error}", style="red")
        raise typer.Exit(LOSS_FOUND) from error
    if as_json:
        console.emit_json(outcome.as_json())
    else:
        archiving.show(outcome, forget=forget)
    if not outcome.finished:
        console.say("Interrupted; the same command goes on")
        raise typer.Exit(FAILURE)
