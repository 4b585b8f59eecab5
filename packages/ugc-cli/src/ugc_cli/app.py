"""The command line: every command, and how errors end it."""

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from ugc_cli import console
from ugc_cli.commands import (
    archive,
    config,
    dlq,
    doctor,
    forget,
    init,
    load_test,
    offsets,
    query,
    replay,
    services,
    status,
    token,
    trace,
    up,
    verify,
)
from ugc_cli.options import NO_VALUE
from ugc_cli.supervisor import ChildFailedError
from ugc_core.errors import UgcError
from ugc_core.exits import exit_code

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 ok, 1 failure, 2 usage, 3 loss or duplicates found, 4 a dependency is"
        " unreachable, 5 bad configuration. Settings: flag > UGC_* variable > ugc.toml > default."
    ),
)
app.command()(up.up)
app.command()(init.init)
app.command()(status.status)
app.command()(doctor.doctor)
app.command()(query.query)
app.command()(token.token)
app.command()(load_test.load_test)
app.command()(verify.verify)
app.command()(trace.trace)
app.command()(forget.forget)
app.command()(archive.archive)
app.command()(services.api)
app.command()(services.etl)
app.add_typer(dlq.app, name="dlq")
app.add_typer(offsets.app, name="offsets")
app.add_typer(replay.app, name="replay")
app.add_typer(config.app, name="config")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ugc {version('ugc-cli')}")
        raise typer.Exit


@app.callback()
def ugc(
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar=NO_VALUE,
            callback=_show_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """View-progress analytics for an online cinema.

    Players report how films are watched; nothing acknowledged is lost; seconds later viewers
    have their resume points and analysts their numbers.
    """


def main() -> None:
    """Run a command; an expected error is one message and an exit code, no traceback."""
    try:
        app()
    except ChildFailedError as error:
        console.say(f"error: {error}", style="red")
        sys.exit(error.exit_code)
    except UgcError as error:
        console.say(f"error: {error}", style="red")
        sys.exit(exit_code(error))
    except BrokenPipeError:
        sys.exit(1)  # the reader of our stdout has gone
