"""`ugc forget`: erase a user, and prove it."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from ugc_cli import console, forgetting
from ugc_cli.forgetting import Proof
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.resolve import resolve
from ugc_core.clock import SystemClock
from ugc_core.exits import FAILURE, USAGE
from ugc_core.settings import Settings


def forget(
    user: Annotated[UUID, typer.Argument(metavar="USER", help="The user's id (UUID).")],
    check: Annotated[
        bool,
        typer.Option("--check", metavar=NO_VALUE, help="Erase nothing; say what is left."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", metavar=NO_VALUE, help="Do not ask.")] = False,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for the pipeline."),
    ] = 60.0,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Erase everything that was ever reported by a user, for good.

    An erasure record goes into the user's own partition of the log. When the pipeline meets
    it, the user is deleted from every table; reports from before stay out for ever, replays
    included. Reports that the user makes afterwards are kept. Prints what is left; exit code
    1 if anything is. Files of `ugc archive` keep the user until `ugc archive DIR --forget`.

    Example: ugc forget 01900000-0000-7000-8000-000000000001 --yes
    """
    settings = resolve(data).settings
    if not check:
        _confirm(user, yes=yes)
        asyncio.run(_erase(settings, user, wait))
    proof = asyncio.run(forgetting.prove(settings, user, clock=SystemClock()))
    if as_json:
        console.emit_json(proof)
    else:
        _show(proof)
    if not proof.holds:
        raise typer.Exit(FAILURE)


def _confirm(user: UUID, *, yes: bool) -> None:
    if yes:
        return
    if not console.err().is_terminal:
        console.say("error: this deletes for good; add --yes to do it without a question")
        raise typer.Exit(USAGE)
    typer.confirm(f"Delete everything of user {user}, for good?", abort=True, err=True)


async def _erase(settings: Settings, user: UUID, wait_s: float) -> None:
    clock = SystemClock()
    receipt = await forgetting.request(settings.log, user, clock=clock)
    console.say(f"Requested: partition {receipt.partition}, offset {receipt.offset}.", style="dim")
    await forgetting.carried_out(settings.log, receipt, clock=clock, timeout_s=wait_s)
    gone = await forgetting.scrub_dead_letters(settings.log, user)
    if gone:
        console.say(f"Dead letters that named the user, removed: {gone}.", style="dim")


def _show(proof: Proof) -> None:
    left: list[tuple[object, ...]] = [(f"rows in {name}", n) for name, n in proof.rows.items()]
    left.append(("dead letters", proof.dead_letters))
    if proof.dead_letters_until:
        left.append(("dead letters end by", proof.dead_letters_until))
    left.append(("erasures done", sum(bool(erasure["done"]) for erasure in proof.erasures)))
    left.append(("copies in the log end by", proof.log_copies_until))
    console.emit_table(("what", "left"), left)
    if proof.holds:
        console.say(f"User {proof.user_id} is forgotten.", style="green")
        if proof.dead_letters_until:
            console.say(
                f"{proof.dead_letters} dead letters name the user; Kafka cannot take them out, and"
                f" drops them with its retention, by {proof.dead_letters_until:%Y-%m-%d %H:%M} UTC."
            )
    elif not proof.erasures:
        console.say(f"No erasure of user {proof.user_id} was carried out.")
    else:
        console.say(f"Something of user {proof.user_id} is left.", style="red")
