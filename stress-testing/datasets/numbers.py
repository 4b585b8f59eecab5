"""Every number of architecture/metrics.md as the system answers, held against the oracle.

The oracle makes the reports again, film by film, so its memory holds one film's reports and
every viewer's resume points.
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from uuid import UUID

import msgspec
from harness.system import Running
from oracle import metrics as oracle

from datasets.comparison import Comparison
from datasets.lists import compare_viewers, viewers
from datasets.ratings import Rating
from datasets.sessions import reports
from ugc_core import audience
from ugc_core.bootstrap import open_warehouse
from ugc_core.events import Event
from ugc_core.warehouse import Warehouse

AT_ONCE = 4
_FILMS_A_READ = 300
_RANGE_EVERY = 3
"""Every third film is asked for a range of days with another width of bucket, too."""
_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1)
Row = tuple[object, ...]


async def compare(system: Running, ratings: Sequence[Rating], accepted: set[int]) -> Comparison:
    """Compare every film, then every viewer.

    Args:
        system: Where to ask.
        ratings: What the reports were made of.
        accepted: Ids of the reports that were acknowledged.
    """
    found = Comparison()
    points: dict[oracle.Viewer, list[tuple[UUID, oracle.Point]]] = {}
    async with open_warehouse(system.warehouse) as warehouse:
        total = await warehouse.read("SELECT count(), uniqExact(event_id) FROM views")
        found.equal("reports stored", [(len(accepted), len(accepted))], [*total.rows], count=2)
        films = _by_film(ratings)
        await _compare_ids(warehouse, found, [*films.values()], accepted)
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(film: int, own: Sequence[Rating]) -> None:
            async with slots:
                events = _events(own, accepted)
                await _compare_film(warehouse, found, events, seed=film)
                for (viewer, film_id), point in oracle.resume_points(events).items():
                    points.setdefault(viewer, []).append((film_id, point))

        async with asyncio.TaskGroup() as group:
            for film, own in films.items():
                group.create_task(one(film, own))
    found.films = len(films)
    await compare_viewers(system, found, viewers(ratings), points)
    return found


def _events(own: Sequence[Rating], accepted: set[int]) -> list[Event]:
    """Make a film's reports again; of those that were acknowledged each once."""
    made = (report for rating in own for report in reports(rating))
    return [report.event() for report in made if report.event_id.int in accepted]


async def _compare_ids(
    warehouse: Warehouse, found: Comparison, films: Sequence[Sequence[Rating]], accepted: set[int]
) -> None:
    """Compare the very ids that are stored, some films at a time."""
    for start in range(0, len(films), _FILMS_A_READ):
        some = films[start : start + _FILMS_A_READ]
        made = (report for own in some for rating in own for report in reports(rating))
        want = {report.event_id.int for report in made} & accepted
        rows = await warehouse.read(
            "SELECT event_id FROM views WHERE film_id IN {films:Array(UUID)}",
            {"films": [own[0].film_id for own in some]},
        )
        ids = [event_id.int for (event_id,) in msgspec.convert(rows.rows, list[tuple[UUID]])]
        have = set(ids)
        found.differences += [f"lost: {UUID(int=number)}" for number in want - have]
        found.differences += [f"phantom: {UUID(int=number)}" for number in have - want]
        found.equal("reports stored twice", 0, len(ids) - len(have))
        found.reports += len(ids)


async def _compare_film(
    warehouse: Warehouse, found: Comparison, events: list[Event], *, seed: int
) -> None:
    film_id = events[0].film_id
    draw = random.Random(f"numbers {seed}")
    await _compare_audience(warehouse, found, events, days=None, bucket_s=10)
    if seed % _RANGE_EVERY == 0:
        days = sorted(draw.choice(events).event_time_ms // _DAY_MS for _ in range(2))
        await _compare_audience(warehouse, found, events, days=days, bucket_s=draw.randint(1, 60))
    at_ms = draw.choice(events).event_time_ms + draw.randint(0, 59_999)
    live = await audience.live_viewers(warehouse, film_id, at_ms)
    found.equal(f"live viewers of {film_id}", oracle.live_viewers(events, at_ms), live)


async def _compare_audience(
    warehouse: Warehouse,
    found: Comparison,
    events: Sequence[Event],
    *,
    days: Sequence[int] | None,
    bucket_s: int,
) -> None:
    film_id = events[0].film_id
    first, last = days or (0, 2**15)
    want = oracle.film_metrics(events, bucket_s, since_day=first, until_day=last)
    asked = audience.Days(since=_date(first), until=_date(last)) if days else audience.Days()
    have = await audience.audience(warehouse, film_id, asked)
    name = f"{film_id} on days {first} to {last}"
    found.equal(f"audience of {name}", _numbers(want), _numbers(have), count=7)
    curve = await audience.retention(
        warehouse, film_id, asked, length_s=have.length_s, bucket_s=bucket_s
    )
    buckets = [oracle.Bucket(b.viewers, b.plays, b.starts, b.stops) for b in curve]
    found.equal(f"curve of {name}", want.curve, buckets, count=4 * len(buckets))
    found.buckets += len(buckets)


def _numbers(found: oracle.FilmMetrics | audience.Audience) -> Row:
    counts = (found.length_s, found.reach, found.plays, found.completed)
    return (*counts, found.watch_time_s, found.unique_s, found.rewatched_s)


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


def _by_film(ratings: Iterable[Rating]) -> dict[int, list[Rating]]:
    found: dict[int, list[Rating]] = {}
    for rating in ratings:
        found.setdefault(rating.film, []).append(rating)
    return found
