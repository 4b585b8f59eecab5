"""`ugc status`: is everything there, and how far is it."""

import asyncio
import signal
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

from ugc_cli import console, status_view
from ugc_cli.moments import show_moment
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.resolve import api_url, resolve
from ugc_cli.state import Looking, Part
from ugc_core.clock import SystemClock
from ugc_core.exits import UNREACHABLE


def status(
    watch: Annotated[
        bool, typer.Option("--watch", metavar=NO_VALUE, help="Look again and again, until Ctrl-C.")
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.1, help="How often, to watch.")
    ] = 1.0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Say whether the API, the log, the pipeline and the warehouse are there, and how far.

    Lag is what is appended and not ingested, by partition, with the age of the oldest;
    freshness is how long ago the last report was stored. Many parts in one partition mean that
    inserts come faster than they are merged. --watch in a pipe prints a line each time, with
    --json a document.

    Exit code 4 if a part is not there; `ugc doctor` says what to do.

    Example: ugc status --watch
    """
    settings = resolve(data).settings
    looking = Looking(settings=settings, api=api_url(settings), clock=SystemClock())
    if watch:
        asyncio.run(_watch(looking, interval, as_json=as_json))
        return
    parts = asyncio.run(looking.look())
    if as_json:
        console.emit_json(status_view.as_json(parts))
    else:
        _show(parts)
    if any(part.state == "down" for part in parts):
        raise typer.Exit(UNREACHABLE)


def _show(parts: Sequence[Part]) -> None:
    printer = console.out()
    if printer.is_terminal:
        printer.print(status_view.tables(parts))
        return
    for line in status_view.lines(parts):
        printer.print(Text(line), soft_wrap=True)


async def _watch(looking: Looking, interval_s: float, *, as_json: bool) -> None:
    """Look until a signal comes; what was shown last stays."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    printer = console.out()
    if as_json or not printer.is_terminal:
        while not stop.is_set():
            _tell(looking, await looking.look(), as_json=as_json)
            await _wait(stop, interval_s)
        return
    with Live(Text("looking …"), console=printer, auto_refresh=False) as live:
        while not stop.is_set():
            live.update(status_view.tables(await looking.look()), refresh=True)
            await _wait(stop, interval_s)


def _tell(looking: Looking, parts: Sequence[Part], *, as_json: bool) -> None:
    now = show_moment(looking.clock.wall_ms())
    if as_json:
        console.emit_json({"at": now, **status_view.as_json(parts)})
        return
    text = Text(f"{console.cell(now)} {status_view.line(parts)}")
    console.out().print(text, soft_wrap=True)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
