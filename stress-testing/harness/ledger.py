"""How far the pipeline is, by its own ledger."""

import asyncio

import msgspec

from ugc_core.warehouse import Warehouse

_LOOK_EVERY_S = 0.02


async def ingested(warehouse: Warehouse) -> int:
    """Return how many lines the ledger accounts for."""
    answer = await warehouse.read("SELECT sum(lines) FROM ingested FINAL")
    return msgspec.convert(answer.rows[0][0], int)


async def wait_until_ingested(warehouse: Warehouse, lines: int, *, within_s: float) -> None:
    """Return once the ledger accounts for as many lines.

    Raises:
        TimeoutError: It does not within the time.
    """
    async with asyncio.timeout(within_s):
        while True:
            if await ingested(warehouse) >= lines:
                return
            await asyncio.sleep(_LOOK_EVERY_S)
