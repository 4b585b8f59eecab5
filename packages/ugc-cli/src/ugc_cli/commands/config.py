"""`ugc config`: what is in force, and where it comes from."""

from typing import Annotated

import typer

from ugc_cli import console
from ugc_cli.options import NO_VALUE, AsJson, Data
from ugc_cli.resolve import NotRunningError, load_settings, resolve
from ugc_core.sources import Loaded, variable

app = typer.Typer(no_args_is_help=True, help="What is in force, and where it comes from.")


@app.callback()
def config() -> None:
    """What is in force, and where it comes from."""


@app.command()
def show(
    data: Data = None,
    sources: Annotated[
        bool,
        typer.Option("--sources", metavar=NO_VALUE, help="Also say where each value comes from."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print every setting; secrets are masked.

    A flag wins over a variable, a variable over ugc.toml, that over the default. With a
    running `ugc up` in the data directory its log and warehouse are shown.

    Example: ugc config show --sources
    """
    rows = list(_loaded(data).rows())
    if as_json:
        console.emit_json(
            {name: {"value": value, "source": source} for name, value, source in rows}
            if sources
            else {name: value for name, value, _ in rows}
        )
        return
    headers = ["setting", "value", *(["source", "variable"] if sources else [])]
    table = [
        [name, value, *([source, variable(name)] if sources else [])]
        for name, value, source in rows
    ]
    console.emit_table(headers, table)


def _loaded(data: Data) -> Loaded:
    try:
        return resolve(data)
    except NotRunningError:
        return load_settings(data)
