"""`ugc init`: topics and tables."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from ugc_cli import console, setup
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.resolve import resolve
from ugc_core.errors import SchemaMismatchError


def init(
    data: Data = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", metavar=NO_VALUE, help="Show what would be done, do nothing."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the topics and tables that are missing.

    Safe to repeat: a second run says that there is nothing to do. What differs from how it
    should be is mended, or refused with the reason before anything is changed.

    Example: ugc init --plan
    """
    settings = resolve(data).settings
    steps = asyncio.run(setup.plan(settings))
    applied = not plan and not any(step.refused for step in steps)
    if applied:
        asyncio.run(setup.apply(settings))
    if as_json:
        console.emit_json({"applied": applied, "steps": steps})
    else:
        _show(steps, applied=applied)
    if refused := [step.summary for step in steps if step.refused]:
        msg = f"nothing was changed. {'; '.join(refused)}"
        raise SchemaMismatchError(msg)


def _show(steps: Sequence[setup.Step], *, applied: bool) -> None:
    if not steps:
        console.say("Nothing to do: topics and tables are as they should be.")
        return
    for step in steps:
        console.out().print(f"{step.where:<10} {step.summary}", markup=False, soft_wrap=True)
    console.say("Done." if applied else "Nothing was changed; run `ugc init` to apply.")
