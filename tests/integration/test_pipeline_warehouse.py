"""Every number of the real engine against a recomputation in plain Python.

However often reports are inserted, under which tokens, in which batches and in what order:
`views`, `playback`, `resume_points` and `ingested` say what `recount` says.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count, pairwise
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from ugc_core.adapters.memory_log import MemoryLog, MemoryLogReader
from ugc_core.backoff import Backoff
from ugc_core.bootstrap import open_warehouse
from ugc_core.clock import ManualClock
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.events import Event
from ugc_core.log import Record
from ugc_core.settings import WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import ShardedWarehouse, Warehouse
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.adapters.memory_store import MemoryDeadLetters
from ugc_etl.batches import Batch
from ugc_etl.decoding import decode
from ugc_etl.delivery import Delivery
from ugc_etl.metrics import EtlMetrics
from ugc_etl.retry import Retry

NOW_MS = 1_767_225_600_000
DAY_MS = 86_400_000
NIL = UUID(int=0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SUMMED = ("views_raw", "playback", "resume_points", "ingested")


# --- the recomputation

Identity = tuple[UUID, UUID, UUID, UUID]
Viewing = tuple[UUID, date, UUID, UUID, UUID]
Viewer = tuple[UUID, UUID, UUID]


class Played(NamedTuple):
    """What a viewer played of a film in a session on a day."""

    seconds: frozenset[int]
    first_time: datetime
    last_time: datetime
    total_ms: int
    device: str


class Numbers(NamedTuple):
    """Everything an analyst or a viewer can read back about some reports."""

    views: dict[Identity, tuple[object, ...]]
    playback: dict[Viewing, Played]
    resume: dict[Viewer, tuple[int, int, datetime]]


def recount(copies: Sequence[Event]) -> Numbers:
    """Compute every number from the accepted copies, in any order."""
    views: dict[Identity, Event] = {}
    viewings: dict[Viewing, list[Event]] = {}
    viewers: dict[Viewer, list[Event]] = {}
    for copy in copies:
        profile = copy.profile_id or copy.user_id
        identity = (copy.film_id, copy.user_id, profile, copy.event_id)
        views[identity] = min(views.get(identity, copy), copy, key=lambda each: each.received_at)
        day = moment(copy.event_time_ms).date()
        viewing = (copy.film_id, day, copy.user_id, profile, copy.session_id or NIL)
        viewings.setdefault(viewing, []).append(copy)
        if advances(copy):
            viewers.setdefault((copy.user_id, profile, copy.film_id), []).append(copy)
    return Numbers(
        views={identity: shown(event) for identity, event in views.items()},
        playback={viewing: played(events) for viewing, events in viewings.items()},
        resume={viewer: playhead(max(events, key=order)) for viewer, events in viewers.items()},
    )


def moment(at_ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=at_ms)


def order(event: Event) -> tuple[int, int, bytes]:
    """Return what decides between two reports: time, then seq, then id."""
    return event.event_time_ms, event.seq or 0, event.event_id.bytes


def half_up(ms: int) -> int:
    """Return whole seconds, halves up."""
    return (ms + 500) // 1000


def seconds(event: Event) -> set[int]:
    """Return the seconds of the film that a report covers; neighbouring stretches tile."""
    length = max(half_up(event.total_ms), 1)
    if event.watched_from_ms is None:
        return {min(event.progress_ms // 1000, length - 1)}
    return {*range(half_up(event.watched_from_ms), min(half_up(event.progress_ms), length))}


def advances(event: Event) -> bool:
    """Say whether a report moved the playhead: a paused TV's does not."""
    if event.watched_from_ms is None:
        return event.kind is None
    return event.watched_from_ms < event.progress_ms


def played(events: Sequence[Event]) -> Played:
    times = [event.event_time_ms for event in events]
    return Played(
        seconds=frozenset[int]().union(*map(seconds, events)),
        first_time=moment(min(times)),
        last_time=moment(max(times)),
        total_ms=max(event.total_ms for event in events),
        device=max(events, key=order).device or "",
    )


def playhead(event: Event) -> tuple[int, int, datetime]:
    return event.progress_ms, event.total_ms, moment(event.event_time_ms)


def shown(event: Event) -> tuple[object, ...]:
    """Return what `views` shows of a report."""
    return (
        event.session_id,
        event.seq,
        event.progress_ms,
        event.total_ms,
        event.watched_from_ms,
        moment(event.event_time_ms),
        moment(event.viewed_at),
        event.clock_offset_ms,
        event.kind,
        event.device,
        None if event.extra is UNSET else bytes(event.extra).decode(),
        moment(event.received_at),
    )


# --- the same from the engine

VIEWS = """
    SELECT film_id, user_id, profile_id, event_id, session_id, seq, progress_ms, total_ms,
        watched_from_ms, event_time, viewed_at, clock_offset_ms, kind, device, extra, received_at
    FROM views WHERE film_id IN {films:Array(UUID)}
"""
PLAYBACK = """
    SELECT film_id, day, user_id, profile_id, session_id,
        bitmapToArray(groupBitmapMergeState(seconds)), min(first_time), max(last_time),
        max(total_ms), argMaxMerge(device)
    FROM playback WHERE film_id IN {films:Array(UUID)} GROUP BY 1, 2, 3, 4, 5
"""
RESUME = """
    SELECT user_id, profile_id, film_id, argMaxMerge(point) AS point,
        point.progress_ms, point.total_ms, point.event_time
    FROM resume_points WHERE film_id IN {films:Array(UUID)} GROUP BY 1, 2, 3
"""


async def stored(warehouse: Warehouse, films: Iterable[UUID]) -> Numbers:
    """Read every number of some films."""
    some = {"films": [*films]}
    views: Any = (await warehouse.read(VIEWS, some)).rows
    playback: Any = (await warehouse.read(PLAYBACK, some)).rows
    resume: Any = (await warehouse.read(RESUME, some)).rows
    numbers = Numbers(
        views={tuple(row[:4]): tuple(row[4:]) for row in views},
        playback={tuple(row[:5]): Played(frozenset(row[5]), *row[6:]) for row in playback},
        resume={tuple(row[:3]): tuple(row[4:]) for row in resume},
    )
    assert len(views) == len(numbers.views)
    return numbers


# --- builders

_ids = count(1)
_films = count(1000)


def event(**changes: object) -> Event:
    fields: dict[str, object] = {
        "event_id": UUID(int=NOW_MS << 80 | 7 << 76 | 0b10 << 62 | next(_ids)),
        "film_id": UUID(int=7),
        "user_id": UUID(int=1),
        "progress": 120.0,
        "total": 5400.0,
        "viewed_at": NOW_MS,
        "received_at": NOW_MS,
    }
    return Event(**(fields | changes))  # type: ignore[arg-type]


def records(events: Iterable[Event], size: int = 1) -> list[Record]:
    """Return the log's records of events, `size` lines each."""
    lines = [encode_event(each) for each in events]
    return [
        Record(
            partition=0,
            offset=offset,
            key=None,
            value=b"\n".join(lines[start : start + size]),
            headers=EVENT_HEADERS,
            timestamp_ms=NOW_MS,
        )
        for offset, start in enumerate(range(0, len(lines), size))
    ]


def batch(*found: Record) -> Batch:
    return Batch(topic="views", partition=0, records=found)


def store_of(warehouse: ShardedWarehouse, database: WarehouseSection) -> ClickHouseStore:
    return ClickHouseStore(warehouse, warehouse_target(database.url))


async def insert(store: ClickHouseStore, events: Sequence[Event], token: str) -> None:
    """Insert events as one batch under a token."""
    await store.insert(decode(batch(*records(events))).rows, token=token)


def delivery(store: ClickHouseStore) -> Delivery:
    """Return the pipeline's delivery to a store."""
    clock, log = ManualClock(), MemoryLog()

    async def oldest(partition: int) -> int:
        return log.ends("views", partition).low

    return Delivery(
        committer=MemoryLogReader(log, "views", "ugc-etl"),
        store=store,
        dead_letters=MemoryDeadLetters(),
        oldest=oldest,
        retry=Retry(clock=clock, backoff=Backoff(first_s=0.1, most_s=1.0)),
        metrics=EtlMetrics(),
        max_bad_in_a_row=1000,
    )


VIEWINGS = [
    event(watched_from=110.0, seq=1, session_id=UUID(int=3), kind="heartbeat", device="tv"),
    event(progress=130.5, watched_from=120.5, seq=2, session_id=UUID(int=3), device="tv"),
    event(progress=40.0, viewed_at=NOW_MS - 1, user_id=UUID(int=2), extra=Raw(b'{"a": 1}')),
    event(progress=99.9, kind="pause", profile_id=UUID(int=4)),
    event(progress=5400.0, watched_from=5390.0, clock_offset_ms=-2 * DAY_MS),
    event(progress=10.0, watched_from=5.0, viewed_at=NOW_MS - 40 * DAY_MS),
]


async def merge(warehouse: Warehouse) -> None:
    """Let the engine merge everything that it would merge at some time."""
    for table in SUMMED:
        await warehouse.execute(f"OPTIMIZE TABLE {table} FINAL")


# --- the recomputation itself


@pytest.mark.parametrize(
    ("watched_from", "progress", "covered"),
    [
        (0.0, 3.0, {0, 1, 2}),
        (0.4, 3.4, {0, 1, 2}),
        (0.5, 3.5, {1, 2, 3}),  # halves up, so that …
        (3.5, 4.5, {4}),  # … the next stretch begins where this one ended
        (2.0, 2.0, set()),
        (2.1, 2.4, set()),
        (58.0, 60.0, {58, 59}),
        (None, 2.9, {2}),
        (None, 0.0, {0}),
        (None, 60.0, {59}),  # nothing lies past the film's last second
    ],
)
def test_a_stretch_covers_whole_seconds_and_a_point_one(watched_from, progress, covered):
    assert seconds(event(watched_from=watched_from, progress=progress, total=60.0)) == covered


@given(st.lists(st.integers(0, 60_000), min_size=2, max_size=9).map(sorted))
def test_neighbouring_stretches_tile(cuts):
    parts = [
        seconds(event(watched_from=start / 1000, progress=end / 1000, total=60.0))
        for start, end in pairwise(cuts)
    ]
    whole = seconds(event(watched_from=cuts[0] / 1000, progress=cuts[-1] / 1000, total=60.0))

    assert sum(map(len, parts)) == len(whole)
    assert set().union(*parts) == whole


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({"watched_from": 100.0}, True),
        ({"watched_from": 120.0}, False),
        ({"watched_from": 100.0, "kind": "pause"}, True),
        ({}, True),
        ({"kind": "pause"}, False),
        ({"kind": "heartbeat"}, False),
    ],
)
def test_a_report_moves_the_playhead_if_it_played_or_is_an_older_clients(changes, moved):
    assert advances(event(**changes)) is moved


def test_the_last_report_decides_then_seq_then_id():
    early = event(viewed_at=NOW_MS - 1, seq=9)
    unnumbered, first, second = event(), event(seq=1, progress=1.0), event(seq=1, progress=2.0)

    [found] = recount([second, early, unnumbered, first]).resume.values()

    assert found[0] == 2000


# --- the engine agrees


async def test_each_report_is_shown_and_counted_as_it_was_sent(fresh_database):
    async with open_warehouse(fresh_database) as warehouse:
        await insert(store_of(warehouse, fresh_database), VIEWINGS, "token")

        assert await stored(warehouse, [UUID(int=7)]) == recount(VIEWINGS)


async def test_a_batch_that_comes_twice_with_its_token_changes_nothing(fresh_database):
    async with open_warehouse(fresh_database) as warehouse:
        store = store_of(warehouse, fresh_database)
        for _ in range(3):
            await insert(store, VIEWINGS, "token")

        assert await stored(warehouse, [UUID(int=7)]) == recount(VIEWINGS)
        assert (await warehouse.read("SELECT count() FROM views_raw")).rows == [(len(VIEWINGS),)]


async def test_a_batch_that_comes_again_with_another_token_or_split_changes_nothing(
    fresh_database,
):
    async with open_warehouse(fresh_database) as warehouse:
        store = store_of(warehouse, fresh_database)
        await insert(store, VIEWINGS, "token")
        await insert(store, VIEWINGS, "another")
        for number, each in enumerate(reversed(VIEWINGS)):
            await insert(store, [each], f"alone-{number}")

        assert await stored(warehouse, [UUID(int=7)]) == recount(VIEWINGS)
        await merge(warehouse)
        assert await stored(warehouse, [UUID(int=7)]) == recount(VIEWINGS)


async def test_without_any_token_window_a_repeat_still_changes_nothing(fresh_database):
    """Tokens only save work: the identity is the guarantee."""
    async with open_warehouse(fresh_database) as warehouse:
        for table in SUMMED:
            await warehouse.execute(
                f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 0"
            )
        store = store_of(warehouse, fresh_database)
        for _ in range(3):
            await delivery(store).deliver(batch(*records(VIEWINGS)), None)

        raw = await warehouse.read("SELECT count() FROM views_raw")
        assert raw.rows == [(3 * len(VIEWINGS),)]
        assert await stored(warehouse, [UUID(int=7)]) == recount(VIEWINGS)
        assert len(await ledger(warehouse)) == 1


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    "changes",
    [
        {"progress": 5.0},
        {"viewed_at": NOW_MS - 3 * 31 * DAY_MS},  # in another partition of the table
        {"kind": "pause", "device": "tv", "extra": Raw(b"{}")},
    ],
    ids=["place", "month", "words"],
)
async def test_of_two_copies_the_first_accepted_one_is_shown(
    fresh_database, together, first, changes
):
    same_id = event().event_id
    accepted = event(event_id=same_id, received_at=NOW_MS)
    later = event(event_id=same_id, received_at=NOW_MS + 1, **changes)
    copies = [accepted, later] if first == 0 else [later, accepted]
    async with open_warehouse(fresh_database) as warehouse:
        store = store_of(warehouse, fresh_database)
        for number, some in enumerate([copies] if together else [[copy] for copy in copies]):
            await insert(store, some, f"token-{number}")

        for _ in range(2):
            found = (await stored(warehouse, [UUID(int=7)])).views
            assert [*found.values()] == [shown(accepted)]
            await merge(warehouse)


async def test_of_two_copies_of_one_millisecond_one_is_shown_whatever_the_order(fresh_database):
    same_id = event().event_id
    copies = [event(event_id=same_id, progress=float(n)) for n in range(4)]
    winners = set()
    async with open_warehouse(fresh_database) as warehouse:
        store = store_of(warehouse, fresh_database)
        for turn in range(4):
            await warehouse.execute("TRUNCATE TABLE views_raw")
            for number, copy in enumerate(copies[turn:] + copies[:turn]):
                await insert(store, [copy], token=f"{turn}-{number}")
            [found] = (await stored(warehouse, [UUID(int=7)])).views.values()
            winners.add(found)

    assert len(winners) == 1


async def test_late_and_reordered_reports_change_nothing(fresh_database):
    session = UUID(int=3)
    reports = [
        event(
            progress=10.0 * n,
            watched_from=10.0 * (n - 1),
            seq=n,
            session_id=session,
            viewed_at=NOW_MS - DAY_MS + n * DAY_MS // 10,
            received_at=NOW_MS + DAY_MS,
        )
        for n in range(1, 21)
    ]
    shuffled = [reports[n * 7 % 20] for n in range(20)]
    async with open_warehouse(fresh_database) as warehouse:
        store = store_of(warehouse, fresh_database)
        for start in range(0, 20, 3):
            await insert(store, shuffled[start : start + 3], f"token-{start}")
        found = await stored(warehouse, [UUID(int=7)])

    assert found == recount(reports)
    covered = set().union(*(part.seconds for part in found.playback.values()))
    assert covered == {*range(200)}
    assert [*found.resume.values()] == [(200_000, 5_400_000, moment(reports[-1].viewed_at))]


# --- the ledger


async def ledger(warehouse: Warehouse) -> Sequence[tuple[object, ...]]:
    answer = await warehouse.read(
        "SELECT topic, partition, first_offset, last_offset, records, lines, stored, dead, erased"
        " FROM ingested FINAL ORDER BY first_offset, last_offset"
    )
    return answer.rows


async def test_a_range_stands_in_the_ledger_once_however_often_it_is_delivered(fresh_database):
    found = records(VIEWINGS, size=2)
    found[1] = Record(
        partition=0,
        offset=1,
        key=None,
        value=found[1].value + b"\n{bad}",
        headers=EVENT_HEADERS,
        timestamp_ms=NOW_MS,
    )
    async with open_warehouse(fresh_database) as warehouse:
        store = store_of(warehouse, fresh_database)
        for _ in range(2):
            await delivery(store).deliver(batch(*found[:2]), None)
            await delivery(store).deliver(batch(found[2]), None)

        assert await stored(warehouse, [UUID(int=7)]) == recount(VIEWINGS)
        assert await ledger(warehouse) == [
            ("views", 0, 0, 1, 2, 5, 4, 1, 0),
            ("views", 0, 2, 2, 1, 2, 2, 0, 0),
        ]


async def test_reports_of_a_hundred_and_twenty_months_are_stored(fresh_database):
    old = [
        event(viewed_at=NOW_MS - n * 30 * DAY_MS, watched_from=100.0, film_id=UUID(int=8))
        for n in range(122)
    ]
    async with open_warehouse(fresh_database) as warehouse:
        store = store_of(warehouse, fresh_database)
        await delivery(store).deliver(batch(*records(old, size=50)), None)
        await delivery(store).deliver(batch(*records(old, size=50)), None)

        assert await stored(warehouse, [UUID(int=8)]) == recount(old)
        assert len(await ledger(warehouse)) == 1


# --- anything

MOMENTS = [NOW_MS + offset for offset in (-40 * DAY_MS, -1, 0, 1, 500, DAY_MS - 1, DAY_MS)]


@st.composite
def reports(draw: st.DrawFn, film_ids: Sequence[UUID]) -> Event:
    total_ms = draw(st.sampled_from([1, 499, 500, 1499, 1500, 60_000, 5_400_250, 172_800_000]))
    progress_ms = draw(st.integers(0, total_ms) | st.just(total_ms))
    lowest = max(0, progress_ms - 600_000)
    watched_from = draw(st.none() | st.integers(lowest, progress_ms) | st.just(progress_ms))
    return event(
        film_id=draw(st.sampled_from(film_ids)),
        user_id=UUID(int=draw(st.integers(1, 2))),
        profile_id=draw(st.sampled_from([None, UUID(int=1), UUID(int=5)])),
        progress=progress_ms / 1000,
        total=total_ms / 1000,
        watched_from=None if watched_from is None else watched_from / 1000,
        viewed_at=draw(st.sampled_from(MOMENTS)),
        clock_offset_ms=draw(st.sampled_from([0, 0, -1, 3_600_000])),
        session_id=draw(st.sampled_from([None, UUID(int=3)])),
        seq=draw(st.sampled_from([None, 0, 1, 2**32 - 1])),
        kind=draw(st.sampled_from([None, "pause", "heartbeat"])),
        device=draw(st.sampled_from([None, "tv", "web"])),
        received_at=draw(st.sampled_from(MOMENTS)),
    )


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Event], list[tuple[str, list[Event]]]]:
    """Draw reports, and batches of them that hold each one at least once."""
    film_ids = [UUID(int=next(_films)) for _ in range(2)]
    events = draw(st.lists(reports(film_ids), min_size=1, max_size=10))
    again = draw(st.lists(st.sampled_from(events), max_size=10))
    shuffled = draw(st.permutations(events + again))
    size = draw(st.integers(1, 6))
    parts = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
    repeats = draw(st.lists(st.integers(0, len(parts) - 1), max_size=3))
    numbers = [*range(len(parts)), *repeats]
    return events, [(f"{film_ids[0]}-{number}", parts[number]) for number in numbers]


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking would outlast the time limit
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(deliveries())
def test_whatever_is_inserted_however_often_every_number_is_exact(fresh_database, plan):
    asyncio.run(insert_and_compare(fresh_database, *plan))


async def insert_and_compare(
    database: WarehouseSection, events: list[Event], batches: list[tuple[str, list[Event]]]
) -> None:
    async with open_warehouse(database) as warehouse:
        store = store_of(warehouse, database)
        for token, part in batches:
            await insert(store, part, token)
        films = {each.film_id for each in events}

        assert await stored(warehouse, films) == recount(events)
