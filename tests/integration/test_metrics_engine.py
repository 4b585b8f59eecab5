"""Every number of architecture/metrics.md: the engine's answer is the oracle's.

Random reports of several films, viewers, sessions and days go through the pipeline's own
decoding and inserts, in random batches, order and repetition. Then each number is read as
the product reads it and has to equal the brute-force computation.
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from oracle import metrics as oracle

from ugc_api.reading.answers import utc_text
from ugc_api.reading.resume import Cursor, ResumePoints
from ugc_core import audience
from ugc_core.bootstrap import open_warehouse
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.events import Event
from ugc_core.log import Record
from ugc_core.settings import WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import Warehouse
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.batches import Batch
from ugc_etl.decoding import decode

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z
DAY_MS = 86_400_000
EPOCH = date(1970, 1, 1)
FIRST_DAY = NOON_MS // DAY_MS
MOMENTS = [
    NOON_MS + offset
    for offset in (-40 * DAY_MS, -1, 0, 1, 59_999, 60_000, DAY_MS // 2 - 1, DAY_MS // 2, DAY_MS)
]
LENGTHS_MS = [1, 499, 500, 1499, 1500, 60_000, 100_499, 100_500, 5_400_250]

Row = tuple[object, ...]

_numbers = count(1)


class World(NamedTuple):
    """Films and viewers that no other example has seen."""

    films: Sequence[UUID]
    users: Sequence[UUID]
    profiles: Sequence[UUID]

    @classmethod
    def fresh(cls, films: int = 2, users: int = 2) -> "World":
        number = next(_numbers)

        def ids(kind: int, many: int) -> list[UUID]:
            # Both halves differ, and not in the same order: ClickHouse compares UUIDs by halves.
            return [UUID(int=(n << 96) | kind << 64 | number << 16 | 99 - n) for n in range(many)]

        return cls(films=ids(1, films), users=ids(2, users), profiles=ids(3, 2))

    @property
    def viewers(self) -> list[oracle.Viewer]:
        return [oracle.Viewer(u, p) for u in self.users for p in (u, *self.profiles)]


class Delivered(NamedTuple):
    """Reports, and the batches in which their copies were inserted."""

    world: World
    events: Sequence[Event]
    batches: Sequence[Sequence[Event]]


# --- how reports get in, and how numbers come out


async def insert(store: ClickHouseStore, copies: Sequence[Event], token: str) -> None:
    """Insert copies the way the pipeline does, from their log line on."""
    record = Record(
        partition=0,
        offset=0,
        key=None,
        value=b"\n".join(map(encode_event, copies)),
        headers=EVENT_HEADERS,
        timestamp_ms=NOON_MS,
    )
    found = decode(Batch(topic="views", partition=0, records=[record]))
    assert not found.dead
    await store.insert(found.rows, token=token)


def day_of(number: int) -> date:
    return EPOCH + timedelta(days=number)


async def film(warehouse: Warehouse, film_id: UUID, bucket_s: int, days: range) -> Row:
    """Read a film's numbers as `FilmMetrics` has them."""
    asked = audience.Days(since=day_of(days[0]), until=day_of(days[-1])) if days else None
    asked = asked or audience.Days()
    found = await audience.audience(warehouse, film_id, asked)
    curve = await audience.retention(
        warehouse, film_id, asked, length_s=found.length_s, bucket_s=bucket_s
    )
    assert [bucket.start_s for bucket in curve] == [*range(0, found.length_s, bucket_s)]
    buckets = [oracle.Bucket(b.viewers, b.plays, b.starts, b.stops) for b in curve]
    return (*msgspec.structs.astuple(found), found.rewatched_s, buckets)


def expected_film(events: Iterable[Event], bucket_s: int, days: range) -> Row:
    bounds = {"since_day": days[0], "until_day": days[-1]} if days else {}
    want = oracle.film_metrics(events, bucket_s, **bounds)
    assert want.rewatched_s == want.watch_time_s - want.unique_s
    return (
        *(want.length_s, want.reach, want.plays, want.watch_time_s, want.unique_s),
        *(want.completed, want.rewatched_s, want.curve),
    )


async def listed(
    points: ResumePoints, viewer: oracle.Viewer, *, page: int, include_finished: bool
) -> list[Row]:
    """Read a viewer's list page by page."""
    found: list[Row] = []
    cursor: Cursor | None = None
    while True:
        answer = await points.page(
            *viewer, limit=page, after=cursor, include_finished=include_finished
        )
        found += [shown(each) for each in answer.items]
        if answer.next_cursor is None:
            return found
        cursor = Cursor.parse(answer.next_cursor)


def shown(point) -> Row:
    return point.film_id, point.progress, point.total, point.updated_at, point.finished


def expected_point(film_id: UUID, point: oracle.Point) -> Row:
    seconds = point.progress_ms / 1000, point.total_ms / 1000
    return film_id, *seconds, utc_text(point.at_ms), oracle.finished(point)


async def compare(
    warehouse: Warehouse, delivered: Delivered, *, widths: Sequence[int], ranges: Sequence[range]
) -> None:
    """Hold every number of some films and viewers against the oracle."""
    world, events, _ = delivered
    by_film = {film_id: [e for e in events if e.film_id == film_id] for film_id in world.films}
    for film_id, own in by_film.items():
        for bucket_s, days in zip(widths, ranges, strict=True):
            assert await film(warehouse, film_id, bucket_s, days) == expected_film(
                own, bucket_s, days
            )
        for at_ms in (NOON_MS, NOON_MS + 60_000):
            live = await audience.live_viewers(warehouse, film_id, at_ms)
            assert live == oracle.live_viewers(own, at_ms)
    await compare_viewers(warehouse, world, events)


async def compare_viewers(warehouse: Warehouse, world: World, events: Sequence[Event]) -> None:
    points = ResumePoints(warehouse=warehouse)
    resume = oracle.resume_points(events)
    for viewer in {world.viewers[0], *map(oracle.viewer_of, events)}:
        for film_id in world.films[:3]:
            one = await points.one(*viewer, film_id)
            want = resume.get((viewer, film_id))
            assert (one and shown(one)) == (want and expected_point(film_id, want))
        for include_finished in (False, True):
            found = await listed(points, viewer, page=3, include_finished=include_finished)
            assert found == [
                expected_point(*each)
                for each in oracle.continue_watching(
                    events, viewer, include_finished=include_finished
                )
            ]


# --- anything, a little at a time


@st.composite
def reports(draw: st.DrawFn, world: World) -> Event:
    total_ms = draw(st.sampled_from(LENGTHS_MS))
    progress_ms = draw(st.integers(0, total_ms) | st.just(total_ms))
    lowest = max(0, progress_ms - 600_000)
    from_ms = draw(st.none() | st.integers(lowest, progress_ms) | st.just(progress_ms))
    moment = draw(st.sampled_from(MOMENTS))
    return Event(
        event_id=UUID(int=draw(st.integers(0, 255)) << 120 | next(_numbers)),
        film_id=draw(st.sampled_from(world.films)),
        user_id=draw(st.sampled_from(world.users)),
        profile_id=draw(st.sampled_from([None, *world.users, *world.profiles])),
        progress=progress_ms / 1000,
        total=total_ms / 1000,
        watched_from=None if from_ms is None else from_ms / 1000,
        viewed_at=moment,
        clock_offset_ms=draw(st.sampled_from([0, 0, -1, 3_600_000])),
        session_id=draw(st.sampled_from([None, UUID(int=3), UUID(int=4)])),
        seq=draw(st.sampled_from([None, 0, 1, 2**32 - 1])),
        kind=draw(st.sampled_from([None, "start", "pause", "heartbeat"])),
        device=draw(st.sampled_from([None, "tv", "web"])),
        received_at=moment,
    )


@st.composite
def deliveries(draw: st.DrawFn) -> Delivered:
    """Draw reports, and batches that hold a copy of each at least once."""
    world = World.fresh()
    events = draw(st.lists(reports(world), min_size=1, max_size=14))
    again = [
        msgspec.structs.replace(each, received_at=each.received_at + later)
        for each, later in draw(
            st.lists(st.tuples(st.sampled_from(events), st.sampled_from([0, 1, 5000])), max_size=6)
        )
    ]
    shuffled = draw(st.permutations([*events, *again]))
    size = draw(st.integers(2, 10))
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    repeats = draw(st.lists(st.sampled_from(batches), max_size=2))
    return Delivered(world, events, [*batches, *repeats])


edge_days = st.sampled_from([-41, -40, -39, -1, 0, 1, 2])
days_asked = st.tuples(edge_days, edge_days).map(
    lambda ends: range(FIRST_DAY + min(ends), FIRST_DAY + max(ends) + 1)
)


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking would outlast the time limit
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(deliveries(), st.integers(1, 700), days_asked)
def test_whatever_is_reported_however_often_every_number_is_the_oracles(
    fresh_database, delivered, bucket_s, days
):
    async def insert_and_compare() -> None:
        async with open_warehouse(fresh_database) as warehouse:
            store = ClickHouseStore(warehouse, warehouse_target(fresh_database.url))
            for number, batch in enumerate(delivered.batches):
                await insert(store, batch, f"{delivered.world.films[0]}-{number}")
            await compare(warehouse, delivered, widths=[bucket_s, 10], ranges=[days, range(0)])

    asyncio.run(insert_and_compare())


# --- the edges that random reports seldom meet


async def test_the_engine_draws_every_edge_where_the_oracle_does(fresh_database):
    watched = [(89, 100.0), (90, 100.0), (90, 100.5), (91, 100.5), (9, 11.0), (10, 11.0), (1, 0.9)]
    world = World.fresh(films=len(watched), users=1)
    events = [
        Event(
            event_id=UUID(int=next(_numbers)),
            film_id=film_id,
            user_id=world.users[0],
            progress=min(float(seconds), total),
            total=total,
            watched_from=0.0,
            viewed_at=NOON_MS + day * DAY_MS,
            session_id=None if day else UUID(int=3),
            received_at=NOON_MS,
        )
        for film_id, (seconds, total) in zip(world.films, watched, strict=True)
        for day in (0, 1)
    ]
    async with open_warehouse(fresh_database) as warehouse:
        store = ClickHouseStore(warehouse, warehouse_target(fresh_database.url))
        await insert(store, events, "edges")
        for days in (range(FIRST_DAY, FIRST_DAY + 1), range(FIRST_DAY + 1, FIRST_DAY + 2)):
            delivered = Delivered(world, events, [])
            await compare(warehouse, delivered, widths=[9, 10], ranges=[days, range(0)])
        completed = [(await audience.audience(warehouse, f, audience.Days())) for f in world.films]

    assert [found.completed for found in completed] == [0, 1, 0, 1, 0, 1, 1]


# --- much at once


def many_reports(world: World, number: int, chance: random.Random) -> Iterable[Event]:
    """Yield reports of whole sittings: stretches that tile, jumps back, points, pauses."""
    left = number
    while left > 0:
        total_ms = chance.choice([60_000, 100_500, 600_250, 5_400_000])
        fields: dict[str, Any] = {
            "film_id": chance.choice(world.films),
            "user_id": chance.choice(world.users),
            "profile_id": chance.choice([None, None, *world.profiles]),
            "total": total_ms / 1000,
            "session_id": chance.choice([None, UUID(int=chance.getrandbits(128))]),
        }
        at_ms, playhead = NOON_MS + chance.randrange(-20 * DAY_MS, DAY_MS), 0
        for seq in range(min(left, chance.randrange(1, 40))):
            step = min(chance.randrange(0, 20_000), total_ms - playhead)
            ends = (playhead, playhead + step)
            stretch = chance.random() < 0.9
            yield Event(
                event_id=UUID(int=chance.getrandbits(128)),
                progress=ends[1] / 1000,
                watched_from=ends[0] / 1000 if stretch else None,
                viewed_at=at_ms,
                seq=seq,
                kind=chance.choice([None, "heartbeat", "pause"]),
                received_at=at_ms,
                **fields,
            )
            left -= 1
            at_ms += step
            playhead = ends[1] if chance.random() < 0.95 else chance.randrange(total_ms)


async def load_and_compare(database: WarehouseSection, *, number: int, world: World) -> None:
    chance = random.Random(number)
    events = [*many_reports(world, number, chance)]
    copies = events + chance.sample(events, number // 20)
    chance.shuffle(copies)
    size = max(len(copies) // 100, 500)
    batches = [copies[start : start + size] for start in range(0, len(copies), size)]
    async with open_warehouse(database) as warehouse:
        store = ClickHouseStore(warehouse, warehouse_target(database.url))
        for token, batch in enumerate([*batches, *chance.sample(batches, 3)]):
            await insert(store, batch, f"{number}-{token}")
        ranges = [range(0), range(FIRST_DAY - 7, FIRST_DAY + 1)]
        await compare(warehouse, Delivered(world, events, batches), widths=[10, 60], ranges=ranges)


async def test_ten_thousand_reports_of_whole_sittings_give_the_oracles_numbers(fresh_database):
    await load_and_compare(fresh_database, number=10_000, world=World.fresh(films=6, users=5))


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_million_reports_give_the_oracles_numbers(fresh_database):
    await load_and_compare(fresh_database, number=1_000_000, world=World.fresh(films=40, users=30))
