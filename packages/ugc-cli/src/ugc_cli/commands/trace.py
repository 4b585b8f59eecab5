"""`ugc trace`: what became of one report."""

import asyncio
import re
from typing import Annotated
from uuid import UUID

import msgspec
import typer

from ugc_cli import console, journeys
from ugc_cli.options import AsJson, Data
from ugc_cli.resolve import resolve
from ugc_core.exits import FAILURE, LOSS_FOUND
from ugc_core.settings import Settings
from ugc_etl.verification.bootstrap import open_tracer
from ugc_etl.verification.stages import MEANINGS, Stage
from ugc_etl.verification.trace import Trace

_RECEIPT = re.compile(r"(\d{1,5}):(\d{1,18})(?::(\d{1,9}))?\Z")
_BAD = frozenset({Stage.LOST, Stage.UNERASED})


def trace(
    what: Annotated[
        str,
        typer.Argument(
            metavar="EVENT_ID|PARTITION:OFFSET[:LINE]", help="A report's id, or its receipt."
        ),
    ],
    topic: Annotated[
        str | None, typer.Option("--topic", help="Topic to search; the settings' by default.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Follow one report from the log to its row, its dead letter or its erasure.

    Prints where it lies in the log, its batch in the ledger, the row that counts, and which
    stage it has reached. Without LINE, every line of the record. Exit code 1 if nothing of it
    is known, 3 if it was accepted and is lost.

    Example: ugc trace 0:4711:0
    """
    place = _place(what)
    found = asyncio.run(_trace(resolve(data).settings, topic, place))
    if as_json:
        lines = [
            {"stage": line.stage.value, **msgspec.to_builtins(line), "next": line.next}
            for line in found.lines
        ]
        console.emit_json({"asked": found.asked, "lines": lines, "searched": found.searched})
    else:
        for line in found.lines:
            journeys.show(line, MEANINGS[line.stage])
    if not found.lines:
        console.say(f"error: nothing is known of {found.asked}", style="red")
        for where in found.searched:
            console.say(f"  searched: {where}")
        raise typer.Exit(FAILURE)
    if any(line.stage in _BAD for line in found.lines):
        raise typer.Exit(LOSS_FOUND)


def _place(what: str) -> UUID | tuple[int, int, int | None]:
    if found := _RECEIPT.match(what):
        partition, offset, line = found.groups()
        return int(partition), int(offset), None if line is None else int(line)
    try:
        return UUID(what)
    except ValueError as error:
        msg = f"{what!r} is neither an event id (UUID) nor PARTITION:OFFSET[:LINE]"
        raise typer.BadParameter(msg) from error


async def _trace(
    settings: Settings, topic: str | None, place: UUID | tuple[int, int, int | None]
) -> Trace:
    async with open_tracer(settings, topic=topic) as tracer:
        if isinstance(place, UUID):
            return await tracer.by_event(place)
        return await tracer.by_receipt(*place)
