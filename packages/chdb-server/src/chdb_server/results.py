"""Rows out: what the engine answers, block by block."""

import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from chdb_server.blocks import Column, columns_of, header, split_blocks
from chdb_server.engine import EngineConnection
from chdb_server.errors import UnmeasurableTypeError
from chdb_server.statements import Command, Select

SendBlocks = Callable[..., Awaitable[None]]
"""Sends the blocks given, in one go."""

DESCRIBE_SETTINGS = (
    "SETTINGS describe_include_subcolumns = 0, describe_compact_output = 0,"
    " print_pretty_type_names = 0"
)


async def send_result(
    connection: EngineConnection, statement: Select | Command, send: SendBlocks
) -> None:
    """Run the statement and send its blocks, a header first."""
    if isinstance(statement, Select):
        await _send_rows(connection, statement.sql, send)
        return
    result = await connection.query(statement.sql)
    blocks = await split_blocks(result)
    if blocks:
        await send(header(await columns_of(blocks[0])), *blocks)


async def describe(connection: EngineConnection, what: str) -> list[tuple[Column, str]]:
    """The columns of a table, a table function or a query in brackets; each with its default."""
    text = await connection.query(
        f"DESCRIBE TABLE {what} {DESCRIBE_SETTINGS}", "JSONCompactEachRow"
    )
    rows = [json.loads(line) for line in text.splitlines()]
    return [(Column(name, type_name), default) for name, type_name, default, *_ in rows]


async def _send_rows(connection: EngineConnection, sql: str, send: SendBlocks) -> None:
    """Take the header from the first block: asking the engine for it would double the latency."""
    sent = False
    try:
        async with aclosing(connection.stream(sql)) as blocks:
            async for block in blocks:
                if sent:
                    await send(block)
                else:
                    await send(header(await columns_of(block)), block)
                    sent = True
    except UnmeasurableTypeError:  # nothing is sent yet
        await _send_described_rows(connection, sql, send)
        return
    if not sent:
        await send(await _described_header(connection, sql))


async def _send_described_rows(connection: EngineConnection, sql: str, send: SendBlocks) -> None:
    await send(await _described_header(connection, sql))
    async with aclosing(connection.stream(sql)) as blocks:
        async for block in blocks:
            await send(block)


async def _described_header(connection: EngineConnection, sql: str) -> bytes:
    # The query stands on lines of its own: it may end with a comment.
    return header([column for column, _ in await describe(connection, f"(\n{sql}\n)")])
