"""`ugc init`: topics and tables."""

import asyncio
from typing import Annotated

import typer

from ugc_cli import console, setup
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.resolve import resolve


def init(
    data: Data = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", metavar=NO_VALUE, help="Show what would be done, do nothing."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the topics and tables that are missing.

    Safe to repeat: a second run says that there is nothing to do.

    Example: ugc init --plan
    """
    settings = resolve(data).settings
    steps = asyncio.run(setup.plan(settings))
    if not plan:
        asyncio.run(setup.apply(settings))
    if as_json:
        console.emit_json({"applied": not plan, "steps": steps})
        return
    if not steps:
        console.say("Nothing to do: topics and tables are as they should be.")
    for step in steps:
        console.out().print(f"{step.where:<10} {step.summary}", markup=False, soft_wrap=True)
    if steps:
        console.say("Nothing was changed; run `ugc init` to apply." if plan else "Done.")
