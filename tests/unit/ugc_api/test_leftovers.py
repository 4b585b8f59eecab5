"""A request leaves nothing that only the cyclic garbage collector frees: it comes too late.

After ten minutes without brokers a service had grown by the bodies of the requests it refused.
"""

import json
import sys
from types import FrameType

import pytest

from tests.leftovers import failing, left_behind
from tests.unit.ugc_api.conftest import TOPIC
from tests.unit.ugc_api.test_exchange import opened
from ugc_api.auth.identity import Identity
from ugc_api.exchange import Exchange
from ugc_api.problems.problem import ProblemError
from ugc_api.scopes import whole_body
from ugc_core.acceptance import Viewer
from ugc_core.adapters.memory_log import MemoryLogWriter
from ugc_core.codec import log_key
from ugc_core.errors import LogDamagedError, LogUnavailableError
from ugc_core.events import Event, Report

REPORT = {"progress": 1, "total": 2}


# A log that is given the type of an error makes a new one each time: one that is kept would keep
# the request, too.


def refused(api, action):
    sender = Identity(viewer=Viewer(user_id=api.user), log_key=log_key(api.user))
    return failing(ProblemError, lambda: action(api.services.intake, sender))


async def test_a_refused_report(api):
    body = json.dumps({**REPORT, "progress": -1}).encode()

    assert await left_behind(refused(api, lambda i, sender: i.one(body, sender, api.film))) == 0


@pytest.mark.parametrize("error", [LogUnavailableError, LogDamagedError])
async def test_a_report_and_a_batch_that_the_log_did_not_take(make_api, failing_log, error):
    api = make_api(writer=lambda _: failing_log(error))
    body = json.dumps(REPORT).encode()
    item = json.dumps({"film_id": str(api.film), **REPORT}).encode()

    assert await left_behind(refused(api, lambda i, sender: i.one(body, sender, api.film))) == 0
    assert await left_behind(refused(api, lambda i, sender: i.many([item, b"{}"], sender))) == 0


class Looks(MemoryLogWriter):
    """Notes what those who wait for it hold of reports in any form but lines.

    It looks at their frames: reports are not known to the garbage collector, as they cannot be
    part of a cycle.
    """

    held: list[str] | None = None

    async def append(self, key, lines, *, headers=()):
        frame: FrameType | None = sys._getframe(1)
        self.held = []
        while frame is not None:
            some = frame.f_locals.items()
            self.held += [f"{frame.f_code.co_name}: {name}" for name, one in some if _is_held(one)]
            frame = frame.f_back
        return await super().append(key, lines, headers=headers)


def _is_held(value):
    if isinstance(value, list | tuple | dict):
        return any(_is_held(one) for one in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, Event | Report)


@pytest.mark.parametrize("kind", ["one report", "JSON", "NDJSON"])
async def test_only_lines_are_held_while_the_log_takes_them(make_api, kind):
    log: list[Looks] = []

    def looks(memory):
        log.append(Looks(memory, TOPIC))
        return log[0]

    api = make_api(writer=looks)
    items = [json.dumps({"film_id": str(api.film), **REPORT}) for _ in range(3)]
    body = {"one report": items[0], "JSON": f"[{','.join(items)}]", "NDJSON": "\n".join(items)}
    media = "application/x-ndjson" if kind == "NDJSON" else "application/json"
    path = api.one if kind == "one report" else api.many

    headers = {**api.bearer(), "Content-Type": media}
    answer = await api.client.post(path, content=body[kind], headers=headers)

    assert answer.status_code == 202
    assert log[0].held == []


@pytest.mark.parametrize(
    ("log", "progress", "status"),
    [("works", 1, 202), ("works", -1, 422), ("fails", 1, 503)],
)
async def test_a_whole_request(make_api, failing_log, log, progress, status):
    works = {} if log == "works" else {"writer": lambda _: failing_log(LogUnavailableError)}
    api = make_api(**works)
    sent = json.dumps({**REPORT, "progress": progress}).encode()
    headers = [
        (b"authorization", api.bearer()["Authorization"].encode()),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(sent)),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": api.one,
        "raw_path": api.one.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }

    async def receive():
        return {"type": "http.request", "body": sent, "more_body": False}

    said: list[int] = []

    async def answer(message) -> None:
        said.append(message.get("status", 0))

    async def send() -> None:
        said.clear()
        await api.app({**scope, "headers": [*headers]}, receive, answer)

    assert await left_behind(send) == 0
    assert said[0] == status


async def test_a_connections_request_whose_body_is_taken_at_once():
    taken = []

    async def app(scope, _receive, send):
        taken.append(whole_body(scope))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def request():
        cycle, _ = opened(Exchange)
        cycle.body += b"{}"
        cycle.more_body = False
        await cycle.run_asgi(app)

    assert await left_behind(request) == 0
    assert set(taken) == {b"{}"}
