"""Every viewer's continue-watching list, as the API gives it, held against the oracle."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import msgspec
from harness.system import Running
from oracle import metrics as oracle

from datasets.comparison import Comparison
from datasets.ratings import Rating
from datasets.sessions import profiles

AT_ONCE = 4
_PAGE = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = tuple[object, ...]


class _Point(msgspec.Struct):
    film_id: UUID
    progress: float
    total: float
    updated_at: str
    finished: bool


class _Page(msgspec.Struct):
    items: list[_Point]
    next_cursor: str | None = None


async def compare_viewers(
    system: Running,
    found: Comparison,
    who: Iterable[oracle.Viewer],
    points: Mapping[oracle.Viewer, list[tuple[UUID, oracle.Point]]],
) -> None:
    """Ask the API for every viewer's whole list, with and without what is finished."""
    slots = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=system.api, timeout=60) as client:

        async def one(viewer: oracle.Viewer) -> None:
            token = system.token(*viewer)
            own = points.get(viewer, [])
            for finished in (False, True):
                async with slots:
                    have = [item async for item in _listed(client, token, finished=finished)]
                want = [_shown(*each) for each in oracle.in_order(own, include_finished=finished)]
                found.equal(f"list of {viewer}", want, have, count=len(want))
            found.points += len(own)
            found.viewers += 1

        async with asyncio.TaskGroup() as group:
            for viewer in who:
                group.create_task(one(viewer))


async def _listed(client: httpx.AsyncClient, token: str, *, finished: bool) -> AsyncIterator[Row]:
    headers = {"Authorization": f"Bearer {token}"}
    query: dict[str, str | int] = {"limit": _PAGE, "include_finished": str(finished).lower()}
    while True:
        answer = await client.get("progresses/", params=query, headers=headers)
        answer.raise_for_status()
        page = msgspec.json.decode(answer.content, type=_Page)
        for item in page.items:
            yield msgspec.structs.astuple(item)
        if page.next_cursor is None:
            return
        query["cursor"] = page.next_cursor


def _shown(film_id: UUID, point: oracle.Point) -> Row:
    seconds = point.progress_ms / 1000, point.total_ms / 1000
    moment = _utc(point.at_ms)
    return film_id, *seconds, moment, oracle.finished(point)


def _utc(at_ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def viewers(ratings: Iterable[Rating]) -> Iterator[oracle.Viewer]:
    """Yield everyone who may have watched, those included who have not."""
    first = {rating.user: rating for rating in ratings}
    for rating in first.values():
        for profile_id in profiles(rating):
            yield oracle.Viewer(rating.user_id, profile_id or rating.user_id)
