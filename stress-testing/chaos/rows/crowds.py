"""Too much, too slow, too large: row 28."""

import asyncio
import gzip
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from chaos.parts import Parts, Places, running_parts
from chaos.players import Players
from chaos.systems import token
from chaos.traffic import Traffic
from chaos.trial import Stage, Trial, Verdict, trial
from ugc_core.clock import SystemClock

_TIMES = 10
_SLOW = 20
_BODY_TIMEOUT_S = 6.0
_STRANGER = UUID(int=99)
_REFUSALS = {400, 408, 413, 415, 422}
_UNDER_LOAD = {202, 503}
_DEEP = 100_000
_MIB = 1 << 20


async def crowd(stage: Stage) -> Verdict:
    """Row 28: ten times the load beside senders of slow, oversized and malicious bodies."""
    environment = {"UGC_API__BODY_TIMEOUT_S": str(_BODY_TIMEOUT_S), **stage.environment}
    # Not while players send: a process that compresses leaves their requests half written.
    await asyncio.to_thread(_bad_bodies)
    async with running_parts(Places.inside(stage.folder), environment) as parts:
        await parts.etl.start()
        async with trial(stage, parts) as run:
            await run.share()
            await _wave(run, parts, salt=1)
            run.weigh_anew()  # what a first wave fills are caches and pools; a second adds nothing
            async with run.fault():
                await _wave(run, parts, salt=2)
            await run.share()
        others = run.traffic.statuses.keys() - _UNDER_LOAD
        run.expect(that=not others, what=f"other players were answered {others}")
        return await run.verdict()


async def _wave(run: Trial, parts: Parts, *, salt: int) -> None:
    """Let the crowd come, and go again."""
    pace = run.stage.pace
    pace = replace(
        pace,
        senders=pace.senders * _TIMES,
        users=pace.users * _TIMES,
        rate=pace.rate * _TIMES,
    )
    seed = run.stage.seed * 1000 + salt
    players = Players(seed, users=pace.users, now_ms=SystemClock().wall_ms())
    more = Traffic(system=parts, journal=run.journal, players=players, pace=pace)
    async with more.flowing(), asyncio.TaskGroup() as group:
        bad = group.create_task(_send_bad_bodies(parts))
        slow = [group.create_task(_slow(parts)) for _ in range(_SLOW)]
        group.create_task(run.share())
    answered = {*bad.result()} - _REFUSALS
    run.expect(that=not answered, what=f"bad bodies were answered {answered}")
    answered = {task.result() for task in slow} - {0, 408}
    run.expect(that=not answered, what=f"slow senders were answered {answered}")
    others = more.statuses.keys() - _UNDER_LOAD
    run.expect(that=not others, what=f"the crowd was answered {others}")


@cache
def _bad_bodies() -> Sequence[tuple[str, bytes, Mapping[str, str]]]:
    """Return what no player would send: path, body, headers."""
    batch, single = "/api/v1/progresses/", f"/api/v1/progresses/films/{UUID(int=1)}/"
    nested = b"[" * _DEEP
    return [
        (single, b'{"progress": 1, "total": 2, "extra": "' + b"x" * _MIB + b'"}', {}),
        (batch, b"[" + b"1," * _MIB + b"1]", {}),
        (batch, nested, {}),
        (single, b'{"progress": 1, "total": 2, "extra": ' + nested[:10_000], {}),
        (batch, gzip.compress(bytes(64 * _MIB)), {"Content-Encoding": "gzip"}),
    ]


async def _send_bad_bodies(parts: Parts) -> Sequence[int]:
    """Return the statuses that they were answered with."""
    found = []
    async with httpx.AsyncClient(base_url=parts.api, timeout=30) as client:
        for url, body, extra in _bad_bodies():
            headers = {"Authorization": f"Bearer {_bearer(parts)}", **extra}
            headers["Content-Type"] = "application/json"
            found.append((await client.post(url, content=body, headers=headers)).status_code)
    return found


async def _slow(parts: Parts) -> int:
    """Begin a body and never end it; return the status, 0 for a closed connection."""
    where = urlsplit(parts.api)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = (
        "POST /api/v1/progresses/ HTTP/1.1\r\nHost: chaos\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {_bearer(parts)}\r\nContent-Length: 1000\r\n\r\n["
    )
    try:
        writer.write(head.encode())
        with suppress(ConnectionError):
            async with asyncio.timeout(10 * _BODY_TIMEOUT_S):
                line = await reader.readline()
                return int(line.split()[1]) if line else 0
        return 0
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def _bearer(parts: Parts) -> str:
    return token(parts.settings, _STRANGER)
