"""`ugc query`: SQL for reading."""

import asyncio
import re
from typing import Annotated

import msgspec
import typer

from ugc_cli import console
from ugc_cli.options import AsJson, Data
from ugc_cli.resolve import resolve
from ugc_core.bootstrap import open_warehouse
from ugc_core.settings import WarehouseSection
from ugc_core.warehouse import Answer

_QUOTED = re.compile(
    r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|--[^\n]*|/\*.*?\*/", re.DOTALL
)
_READS = re.compile(
    r"[\s(]*(select|show|desc|describe|explain|exists|with(?!.*\binsert\b))\b",
    re.IGNORECASE | re.DOTALL,
)
"""`WITH … INSERT` writes."""


def query(
    sql: Annotated[str, typer.Argument(help="One reading statement, without a final semicolon.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Read from the warehouse.

    Prints a table on a terminal, tab-separated values with a header into a pipe, and one
    JSON object a row with --json.

    Example: ugc query 'SELECT film_id, uniqExact(user_id) AS viewers FROM views GROUP BY film_id'
    """
    if not _READS.match(_QUOTED.sub(" ", sql)):
        msg = "only reading statements (SELECT, WITH, SHOW, DESCRIBE, EXPLAIN, EXISTS)"
        raise typer.BadParameter(msg)
    answer = asyncio.run(_read(resolve(data).settings.warehouse, sql))
    if as_json:
        for row in answer.rows:
            console.emit_json(dict(zip(answer.names, map(_plain, row), strict=True)))
        return
    console.emit_table(answer.names, answer.rows)


async def _read(settings: WarehouseSection, sql: str) -> Answer:
    async with open_warehouse(settings) as warehouse:
        return await warehouse.read(sql)


def _plain(value: object) -> object:
    """Return a value that JSON has; bytes that are no text as hexadecimal."""
    return value.hex() if isinstance(value, bytes) else msgspec.to_builtins(value, enc_hook=str)
