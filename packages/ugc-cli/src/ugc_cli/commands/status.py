"""`ugc status`: is everything there, and how far is it."""

import asyncio

import typer

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
    for part in parts:
        printer.print(f"{part.name:<10}", style="bold", end=" ")
        printer.print(f"{part.state:<7}", style=_STYLES[part.state], end=" ")
        facts = ", ".join(f"{name} {value}" for name, value in part.facts.items())
        printer.print(facts, markup=False, soft_wrap=True)
