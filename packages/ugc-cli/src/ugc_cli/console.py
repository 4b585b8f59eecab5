"""Data on stdout, talk on stderr.

Colour and tables are for terminals; a pipe gets plain text. Messages are printed without
markup, since rich would read `[...]` in them as its own.
"""

import sys
from collections.abc import Sequence
from datetime import datetime

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ugc_core.environment import environment, wants_colour

_encode = msgspec.json.Encoder(enc_hook=str).encode


def out() -> Console:
    """Return the console for data."""
    return Console(no_color=not wants_colour(environment()), highlight=False)


def err() -> Console:
    """Return the console for talk."""
    return Console(stderr=True, no_color=not wants_colour(environment()), highlight=False)


def say(message: str, *, style: str | None = None) -> None:
    """Talk to the person."""
    err().print(message, style=style, markup=False, soft_wrap=True)


def emit_json(value: object) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(_encode(value).decode() + "\n")
    sys.stdout.flush()


def emit_table(
    headers: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = ""
) -> None:
    """Print rows: a table on a terminal, tab-separated values anywhere else."""
    console = out()
    if not console.is_terminal:
        for row in [headers, *rows]:
            sys.stdout.write("\t".join(map(_cell, row)) + "\n")
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name, value in zip(headers, rows[0] if rows else headers, strict=True):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(table)


def _cell(value: object) -> str:
    """Return a value as text on one line."""
    if isinstance(value, datetime):
        value = value.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
    text = "" if value is None else str(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
