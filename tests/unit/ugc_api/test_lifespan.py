"""The application under another ASGI server: opened and closed by the lifespan protocol."""

import asyncio
from typing import Any

import pytest

from ugc_api.lifespan import Lifespan
from ugc_core.api_settings import ApiSection, AuthSection
from ugc_core.bootstrap import open_log_admin, topics
from ugc_core.settings import LogSection, Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(
        log=LogSection(url=f"sqlite:///{tmp_path}/log.db"),
        auth=AuthSection(secret="0123456789abcdef0123456789abcdef"),
        api=ApiSection(),
    )


class Server:
    """The server's side of the lifespan protocol."""

    def __init__(self, app):
        self.app = app
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __aenter__(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self.task = asyncio.create_task(self.app(scope, self.inbox.get, self.outbox.put))
        await self.inbox.put({"type": "lifespan.startup"})
        async with asyncio.timeout(10):
            self.started = await self.outbox.get()
        return self

    async def __aexit__(self, *_):
        await self.inbox.put({"type": "lifespan.shutdown"})
        async with asyncio.timeout(10):
            await self.task


async def test_requests_are_served_between_start_and_stop(settings):
    async with open_log_admin(settings.log) as admin:
        await admin.apply(await admin.plan(topics(settings.log)))

    async with Server(Lifespan(settings)) as server:
        status = await get(server.app, "/readyz")

    assert server.started == {"type": "lifespan.startup.complete"}
    assert status == 200
    assert await server.outbox.get() == {"type": "lifespan.shutdown.complete"}


async def test_a_start_that_fails_says_why_in_one_line(settings):
    async with Server(Lifespan(settings)) as server:
        pass

    assert server.started["type"] == "lifespan.startup.failed"
    assert "run `ugc init`" in server.started["message"]
    assert "\n" not in server.started["message"]


async def test_a_request_before_the_start_is_a_servers_mistake(settings):
    with pytest.raises(RuntimeError, match="lifespan"):
        await get(Lifespan(settings), "/livez")


async def get(app, path):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [],
        "scheme": "http",
        "server": ("test", 80),
        "root_path": "",
    }
    await app(scope, receive, send)
    return sent[0]["status"]
