"""Data on stdout, talk on stderr.

Colour and tables are for terminals; a pipe gets plain text. Messages are printed without
markup, since rich would read `[...]` in them as its own.
"""

import sys
import textwrap
from collections.abc import Sequence
from datetime import datetime

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ugc_core.environment import environment, wants_colour

_encode = msgspec.json.Encoder(enc_hook=str).encode
_READABLE_COLUMN = 20
"""Characters; a table with narrower columns is printed one row below the other."""
_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))},
    **str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}),
}
"""What would break a line, or be taken by the terminal as a command."""


def out() -> Console:
    """Return the console for data."""
    return Console(no_color=not wants_colour(environment()), highlight=False, emoji=False)


def err() -> Console:
    """Return the console for talk."""
    colour = wants_colour(environment())
    return Console(stderr=True, no_color=not colour, highlight=False, emoji=False)


def say(message: str, *, style: str | None = None) -> None:
    """Talk to the person: wrapped between words on a terminal, one line in a pipe."""
    console = err()
    if console.is_terminal:
        message = "\n".join(_wrapped(line, console.width) for line in message.splitlines())
    console.print(message, style=style, markup=False, soft_wrap=True)


def emit_json(value: object) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(_encode(value).decode() + "\n")
    sys.stdout.flush()


def emit_table(
    headers: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = ""
) -> None:
    """Print rows: a table on a terminal, tab-separated values anywhere else.

    Where the terminal is too narrow for the columns, each row has its values one to a line.
    """
    console = out()
    if not console.is_terminal:
        for row in [headers, *rows]:
            sys.stdout.write("\t".join(map(cell, row)) + "\n")
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name, value in zip(headers, rows[0] if rows else headers, strict=True):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        table.add_column(name, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    unlimited = console.options.update(max_width=sys.maxsize)
    fits = console.measure(table, options=unlimited).maximum <= console.width
    if fits or len(headers) * _READABLE_COLUMN <= console.width:
        console.print(table)
    else:
        _emit_records(console, headers, rows)


def _emit_records(
    console: Console, headers: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    if not rows:
        say("no rows")
    width = max(map(len, headers))
    for number, row in enumerate(rows, start=1):
        console.print(Text(f"row {number}", style="bold"))
        for name, value in zip(headers, row, strict=True):
            console.print(Text(f"  {name:<{width}}  {cell(value)}"), soft_wrap=True)


def _wrapped(line: str, width: int) -> str:
    """Break between words; a long path stays whole, so that it can be copied."""
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line,
        width,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def cell(value: object) -> str:
    """Return a value as text on one line."""
    if isinstance(value, datetime):
        value = value.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
    text = "" if value is None else str(value)
    return text.translate(_ESCAPES)
