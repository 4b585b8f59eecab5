"""`ugc load-test`: viewers by the hundred, and a check that every report arrives."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from ugc_cli import console
from ugc_cli.interrupts import until_done_or_stopped
from ugc_cli.load_testing import summary, watching
from ugc_cli.load_testing.bounds import MOST_RATE, MOST_USERS, is_loopback
from ugc_cli.load_testing.exchanges import ACCEPTED, Plan
from ugc_cli.load_testing.generating import require_locust
from ugc_cli.load_testing.planning import Wanted, make_plan
from ugc_cli.load_testing.running import LoadTest, Result
from ugc_cli.load_testing.viewers import Viewers
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.probes import http_ok
from ugc_cli.resolve import load_settings, resolve
from ugc_core.clock import SystemClock
from ugc_core.errors import TransientError
from ugc_core.exits import FAILURE, LOSS_FOUND, UNREACHABLE
from ugc_core.settings import WarehouseSection

_MOST_S = 2 * 86_400.0
"""Load and arrivals keep their own deadlines; after a signal this one holds as well."""


class ApiUnreachableError(TransientError):
    """Nobody takes reports where they should go."""


def load_test(  # noqa: PLR0913, PLR0917 - an option each
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="Root of the API; the settings' by default."),
    ] = None,
    users: Annotated[
        int | None,
        typer.Option("--users", metavar="N", min=1, max=MOST_USERS, help="Viewers; 20 by default."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="R",
            min=0.01,
            max=MOST_RATE,
            help="Requests a second of all viewers together; by default one each heartbeat.",
        ),
    ] = None,
    duration: Annotated[
        str, typer.Option("--duration", metavar="TIME", help="Such as 30s, 5m or 2h.")
    ] = "60s",
    scenario: Annotated[
        Path | None,
        typer.Option("--scenario", metavar="FILE", help="TOML: what viewers do, how often."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="Viewers' tokens, one a line."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML report.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            "--wait",
            metavar="SECONDS",
            min=1,
            max=86_400,
            help="Give up on missing reports when none has arrived for so long.",
        ),
    ] = 60.0,
    no_check: Annotated[
        bool, typer.Option("--no-check", metavar=NO_VALUE, help="Do not ask the warehouse.")
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", metavar=NO_VALUE, help="Send to another machine without asking."),
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Play viewers against the API, and check that every accepted report is stored.

    Each viewer plays films: heartbeats, batches, stops, seeks, retries with the same ids, reads
    of the resume point. Ctrl-C ends the load; what was accepted is checked all the same.

    Exit code 3 if an accepted report is missing or stored twice, 1 if nothing was accepted.

    Example: ugc load-test --users 100 --rate 200 --duration 60s
    """
    require_locust()
    settings = (load_settings if no_check and url else resolve)(data).settings
    wanted = Wanted(
        url=url,
        users=users,
        rate=rate,
        duration=duration,
        scenario=scenario,
        token_file=token_file,
        report=report,
    )
    plan, viewers = make_plan(wanted, settings, SystemClock())
    _ask_before_leaving(plan.url, yes=yes)
    warehouse = None if no_check else settings.warehouse
    result = asyncio.run(_run(plan, viewers, warehouse, patience_s=wait))
    if result is None:
        raise typer.Exit(FAILURE)
    if as_json:
        console.emit_json(summary.as_json(result, plan))
    else:
        summary.show(result, plan)
    summary.say_verdict(result)
    if code := _exit_code(result):
        raise typer.Exit(code)


def _ask_before_leaving(url: str, *, yes: bool) -> None:
    """Load on another machine is somebody else's business, until a person says that it is not."""
    if yes or is_loopback(url):
        return
    warning = f"{url} is another machine, and the load will reach it."
    if not sys.stdin.isatty():
        msg = f"{warning} Repeat with --yes if it is yours to load."
        raise typer.BadParameter(msg, param_hint="URL")
    typer.confirm(f"{warning} Is it yours to load?", abort=True, err=True)


async def _run(
    plan: Plan, viewers: Viewers, warehouse: WarehouseSection | None, *, patience_s: float
) -> Result | None:
    await _probe(plan.url)
    with watching.watched(plan) as watcher:
        test = LoadTest(
            plan=plan,
            viewers=viewers,
            warehouse=warehouse,
            patience_s=patience_s,
            clock=SystemClock(),
            tick=watcher.tick,
            told=watcher.told,
        )
        return await until_done_or_stopped(test.run, drain_s=_MOST_S)


async def _probe(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "http":
        return  # the probe speaks no TLS; the first request will tell
    try:
        await http_ok(parts.hostname or "", parts.port or 80, f"{parts.path}/readyz")
    except OSError as error:
        reason = str(error) or "no answer"
        msg = f"the API on {url} takes no reports: {reason}; see `ugc status`"
        raise ApiUnreachableError(msg) from error


def _exit_code(result: Result) -> int:
    found = result.arrival
    if found is not None and found.lossy:
        return LOSS_FOUND
    if result.failure:
        console.say(f"error: {result.failure}", style="red")
        return FAILURE
    if not result.outcomes.get(ACCEPTED):
        console.say("error: nothing was accepted", style="red")
        return FAILURE
    if found is not None and found.unreachable:
        console.say(f"error: the warehouse did not answer: {found.unreachable}", style="red")
        return UNREACHABLE
    return FAILURE if found is not None and found.interrupted else 0
