"""`ugc verify`: is every accepted report stored, once and unchanged."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ugc_cli import console, verdicts
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.resolve import resolve
from ugc_core.clock import SystemClock
from ugc_core.exits import LOSS_FOUND, UNREACHABLE
from ugc_core.settings import Settings
from ugc_etl.verification.bootstrap import open_verifier
from ugc_etl.verification.reports import Progress as Tell
from ugc_etl.verification.verify import Verification


def verify(  # noqa: PLR0913, PLR0917 - an option each
    deep: Annotated[
        bool,
        typer.Option("--deep", metavar=NO_VALUE, help="Compare every report, not the ledger only."),
    ] = False,
    topic: Annotated[
        str | None, typer.Option("--topic", help="Topic to verify; the settings' by default.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", metavar="SECONDS", min=0, help="Wait that long for the pipeline to catch up."
        ),
    ] = 0.0,
    strict: Annotated[
        bool, typer.Option("--strict", metavar=NO_VALUE, help="Notes count as faults, too.")
    ] = False,
    most: Annotated[
        int, typer.Option("--most", metavar="N", min=0, help="Findings to print.")
    ] = 20,
    every: Annotated[
        bool, typer.Option("--all", metavar=NO_VALUE, help="Print every finding.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Check that every accepted report is stored, once and unchanged.

    Holds the pipeline's ledger against the log. With --deep, compares the reports themselves,
    the dead letters, and the derived tables; it only reads, in bounded memory. What has left the
    log cannot be compared; what is not ingested yet is no loss.

    Exit code 3 if anything is lost, doubled, foreign or altered. A report that a client sent
    twice with other content is a note: only --strict makes it a fault.

    Example: ugc verify --deep --wait 30
    """
    settings = resolve(data).settings
    found, late = asyncio.run(_verify(settings, topic, deep=deep, wait_s=wait))
    ok = found.good and not (strict and any(found.notes.values()))
    if as_json:
        console.emit_json({"ok": ok, **msgspec.to_builtins(found)})
    else:
        verdicts.show(found, ok=ok, most=len(found.findings) if every else most)
    if not ok:
        raise typer.Exit(LOSS_FOUND)
    if late:
        console.say(
            f"error: {late} records were not ingested within {wait:g} s; see `ugc status`",
            style="red",
        )
        raise typer.Exit(UNREACHABLE)


async def _verify(
    settings: Settings, topic: str | None, *, deep: bool, wait_s: float
) -> tuple[Verification, int]:
    with _progress() as tell:
        async with open_verifier(
            settings, clock=SystemClock(), progress=tell, topic=topic
        ) as verifier:
            late = await verifier.caught_up(wait_s) if wait_s else 0
            return await verifier.run(deep=deep), late


@contextmanager
def _progress() -> Iterator[Tell]:
    """Show what is going on, on a terminal; say nothing anywhere else."""
    talk = console.err()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as shown:
        task = shown.add_task("ledger", total=None)

        def tell(what: str, done: int, total: int) -> None:
            counted = f": {done:,} of {total:,} records" if total else ""
            shown.update(task, description=f"{what}{counted}")

        yield tell
