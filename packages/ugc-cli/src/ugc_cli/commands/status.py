"""`ugc status`: is everything there, and how far is it."""

import asyncio

import typer
from rich.table import Table
from rich.text import Text

from ugc_cli import console
from ugc_cli.options import AsJson, Data
from ugc_cli.resolve import api_url, resolve
from ugc_cli.state import Part, gather
from ugc_core.exits import UNREACHABLE

_STYLES = {"ok": "green", "down": "red", "behind": "yellow"}


def status(data: Data = None, as_json: AsJson = False) -> None:
    """Say whether the API, the log, the pipeline and the warehouse are there, and how far.

    Exit code 4 if one of them is not.

    Example: ugc status --json
    """
    settings = resolve(data).settings
    parts = asyncio.run(gather(settings, api_url(settings)))
    if as_json:
        console.emit_json({part.name: {"state": part.state, **part.facts} for part in parts})
    else:
        _show(parts)
    if any(part.state == "down" for part in parts):
        raise typer.Exit(UNREACHABLE)


def _show(parts: list[Part]) -> None:
    printer = console.out()
    table = Table.grid(padding=(0, 1, 0, 0))
    for part in parts:
        name, state, facts = f"{part.name:<10}", f"{part.state:<7}", _facts(part)
        table.add_row(Text(name, "bold"), Text(state, _STYLES[part.state]), Text(facts))
        if not printer.is_terminal:
            printer.print(Text(f"{name} {state} {facts}"), soft_wrap=True)
    if printer.is_terminal:
        printer.print(table)


def _facts(part: Part) -> str:
    known = {name: value for name, value in part.facts.items() if value is not None}
    return ", ".join(f"{name} {console.cell(value)}" for name, value in known.items())
