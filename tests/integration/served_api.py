"""The application in this process, over a real log and a real warehouse."""

import time
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
import jwt

from tests.integration.api_logs import made_log
from ugc_api.app import create_app
from ugc_api.bootstrap import open_services
from ugc_core.api_settings import AuthSection
from ugc_core.clock import SystemClock
from ugc_core.settings import Settings, WarehouseSection

SECRET = "0123456789abcdef0123456789abcdef"


def bearer(user: UUID, **more: object) -> dict[str, str]:
    claims = more | {"sub": str(user), "exp": time.time() + 3600}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}


@asynccontextmanager
async def serving(warehouse: WarehouseSection, folder):
    """Open the application as the service does, over a real log and a real warehouse."""
    settings = Settings(
        log=await made_log(folder),
        warehouse=warehouse,
        auth=AuthSection(secret=SECRET),
    )
    damage: list[Exception] = []
    async with open_services(settings, clock=SystemClock(), on_damage=damage.append) as services:
        transport = httpx.ASGITransport(create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client
    assert damage == []
