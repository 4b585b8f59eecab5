"""Posts reports over HTTP the way players do: some alone, most in batches."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

import httpx
import msgspec
from harness.system import System
from msgspec import Struct

from datasets.viewing_starts import Start

ACCEPTED = 202
_SINGLES = 3
_BATCH = 500
_USERS_AT_ONCE = 8
_TRIES = 5


class _One(Struct):
    """What matters in the answer to a single report."""

    event_id: UUID


class _Item(Struct):
    """What matters in the verdict on an item of a batch."""

    status: str
    event_id: UUID | None = None
    problem: object = None


class _Many(Struct):
    """What matters in the answer to a batch."""

    items: list[_Item]


@dataclass(kw_only=True)
class Journal:
    """What became of each report; the answer is the only source."""

    accepted: set[UUID] = field(default_factory=set)
    refused: dict[UUID, str] = field(default_factory=dict)


async def post_all(system: System, starts: Iterable[Start]) -> Journal:
    """Post every start with its user's token: the first few alone, the rest in batches."""
    by_user: dict[UUID, list[Start]] = {}
    for start in starts:
        by_user.setdefault(start.user_id, []).append(start)
    journal = Journal()
    slots = asyncio.Semaphore(_USERS_AT_ONCE)
    timeout = httpx.Timeout(30)
    async with httpx.AsyncClient(base_url=system.api, timeout=timeout) as client:

        async def post(user_id: UUID, own: Sequence[Start]) -> None:
            async with slots:
                headers = {"Authorization": f"Bearer {system.token(user_id)}"}
                await _post_user(client, headers, own, journal)

        await asyncio.gather(*(post(user_id, own) for user_id, own in by_user.items()))
    return journal


async def _post_user(
    client: httpx.AsyncClient, headers: dict[str, str], own: Sequence[Start], journal: Journal
) -> None:
    for start in own[:_SINGLES]:
        url = f"progresses/films/{start.film_id}/"
        answer = await _post(client, url, msgspec.json.encode(start.body()), headers, "json")
        journal.accepted.add(msgspec.json.decode(answer, type=_One).event_id)
    rest = iter(own[_SINGLES:])
    while chunk := list(islice(rest, _BATCH)):
        body = b"\n".join(msgspec.json.encode(start.body()) for start in chunk)
        answer = await _post(client, "progresses/", body, headers, "x-ndjson")
        items = msgspec.json.decode(answer, type=_Many).items
        for start, item in zip(chunk, items, strict=True):
            if item.status == "accepted" and item.event_id is not None:
                journal.accepted.add(item.event_id)
            else:
                journal.refused[start.event_id] = f"{item.status}: {item.problem}"


async def _post(
    client: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str], kind: str
) -> bytes:
    """Post until the answer is 202; a retry with the same event ids is always right."""
    last = "no answer"
    for _ in range(_TRIES):
        try:
            answer = await client.post(
                url, content=body, headers={**headers, "Content-Type": f"application/{kind}"}
            )
        except httpx.TransportError as error:
            last = repr(error)
            continue
        if answer.status_code == ACCEPTED:
            return answer.content
        last = f"{answer.status_code}: {answer.text[:300]}"
    msg = f"{url} was not accepted in {_TRIES} tries, the last one: {last}"
    raise RuntimeError(msg)
