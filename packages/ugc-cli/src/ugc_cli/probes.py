"""Is it there? The smallest question that each service answers."""

import asyncio

from ugc_core.bootstrap import open_warehouse
from ugc_core.errors import UgcError
from ugc_core.settings import WarehouseSection

_DEADLINE_S = 5.0


async def http_ok(host: str, port: int, path: str) -> None:
    """Return if a GET answers 200.

    Raises:
        OSError: Nobody listens, another status, or no answer in time.
    """
    async with asyncio.timeout(_DEADLINE_S):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            status = await reader.readline()
        finally:
            writer.close()
    if b" 200 " not in status:
        msg = f"{path} answered {status!r}"
        raise ConnectionError(msg)


async def warehouse_ok(settings: WarehouseSection) -> None:
    """Return if the warehouse answers `SELECT 1`.

    Raises:
        OSError: It does not.
    """
    try:
        async with open_warehouse(settings, database="default") as warehouse:
            await warehouse.read("SELECT 1")
    except UgcError as error:
        raise ConnectionError(str(error)) from error
