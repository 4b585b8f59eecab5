"""`ugc doctor`: what is wrong, and the next command."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ugc_cli import console, diagnosis_kafka, diagnosis_log, diagnosis_settings, diagnosis_warehouse
from ugc_cli.data_dir import DataDir
from ugc_cli.diagnosis import Diagnosis, Patient, Verdict, examine
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.resolve import NotRunningError, api_url, load_settings, resolve
from ugc_core.clock import SystemClock
from ugc_core.errors import ConfigError
from ugc_core.exits import BAD_CONFIGURATION, FAILURE, UNREACHABLE

_STYLES = {
    Verdict.OK: "green",
    Verdict.WARN: "yellow",
    Verdict.FAIL: "red",
    Verdict.UNREACHABLE: "red",
    Verdict.SKIPPED: "dim",
}


def doctor(
    deep: Annotated[
        bool,
        typer.Option("--deep", metavar=NO_VALUE, help="Let SQLite check the log's file, too."),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", metavar=NO_VALUE, help="Warnings count as faults, too.")
    ] = False,
    watched: Annotated[
        float,
        typer.Option(
            "--watch-pipeline", metavar="SECONDS", min=0, help="How long it may stand still."
        ),
    ] = 5.0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Look at every part of the system, and say what is wrong and what to do.

    Looks at the settings and secrets, the log, its topics and copies, the warehouse and its tables,
    the API, the pipeline, dead letters, the ledger's gaps, erasures, parts, disks and clocks.
    It changes nothing. `ugc verify --deep` compares the reports themselves.

    Exit code 1 if something is wrong, 4 if a part does not answer, 5 if the settings cannot be
    read; warnings count only with --strict.

    Example: ugc doctor
    """
    found = _diagnose(data, watched, deep=deep)
    code = _code(found, strict=strict)
    if as_json:
        console.emit_json({"ok": code == 0, "checks": found})
    else:
        _show(found, code)
    if code:
        raise typer.Exit(code)


def _diagnose(data: Path | None, watched_s: float, *, deep: bool) -> Sequence[Diagnosis]:
    try:
        settings = resolve(data).settings
    except ConfigError as error:
        then = "ugc config show --sources"
        return [Diagnosis(check="settings", verdict=Verdict.FAIL, why=str(error), next=then)]
    except NotRunningError as error:
        then = f"ugc up --data {load_settings(data).settings.data_dir}"
        return [Diagnosis(check="settings", verdict=Verdict.UNREACHABLE, why=str(error), next=then)]
    patient = Patient(
        settings=settings,
        api=api_url(settings),
        embedded=DataDir.at(settings.data_dir).running() is not None,
        clock=SystemClock(),
        watched_s=watched_s,
        deep=deep,
    )
    checks = [
        *diagnosis_settings.checks(patient),
        *diagnosis_log.checks(patient),
        *diagnosis_kafka.checks(patient),
        *diagnosis_warehouse.checks(patient),
        *diagnosis_log.later_checks(patient),
        *diagnosis_warehouse.later_checks(patient),
    ]
    readable = Diagnosis(check="settings", verdict=Verdict.OK, why="every name is known")
    return [readable, *asyncio.run(examine(checks))]


def _code(found: Sequence[Diagnosis], *, strict: bool) -> int:
    """Return the exit code; what does not answer comes before what is wrong."""
    seen = {one.verdict for one in found}
    if found[0].verdict is Verdict.FAIL:
        return BAD_CONFIGURATION
    if Verdict.UNREACHABLE in seen:
        return UNREACHABLE
    wrong = {Verdict.FAIL, Verdict.WARN} if strict else {Verdict.FAIL}
    return FAILURE if seen & wrong else 0


def _show(found: Sequence[Diagnosis], code: int) -> None:
    printer = console.out()
    if not printer.is_terminal:
        rows = [(one.check, one.verdict, one.why, one.next) for one in found]
        console.emit_table(("check", "verdict", "why", "next"), rows)
    else:
        printer.print(_grid(found))
    warnings = sum(one.verdict is Verdict.WARN for one in found)
    if code:
        console.say("Something is wrong: begin with the first line that is not ok.", style="red")
    elif warnings:
        console.say(f"Nothing is wrong; {warnings} warnings.", style="yellow")
    else:
        console.say("All is well.", style="green")


def _grid(found: Sequence[Diagnosis]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for one in found:
        what = Text.assemble((f"{one.check}: ", "bold"), one.why)
        table.add_row(Text(one.verdict, _STYLES[one.verdict]), what)
        if one.next:
            table.add_row("", Text(f"next: {one.next}", "bold"))
    return table
