"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data directory of the `ugc up` to work with; ./.ugc by default.",
    ),
]
NO_VALUE = ""
"""Metavar of a switch: Typer's `<bool>` reads as if a value had to follow."""
AsJson = Annotated[bool, typer.Option("--json", metavar=NO_VALUE, help="Print JSON on stdout.")]
