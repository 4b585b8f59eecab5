"""Every number of the real engine against a recomputation in plain Python.

However often reports are inserted, under which tokens, in which batches and in what order:
`views`, `playback`, `resume_points` and `ingested` say what `recount` says.
"""

import asyncio
from collections.abc import Sequence
from itertools import count
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from tests.integration.recount import moment, recount, shown
from tests.integration.stored_numbers import stored
from tests.integration.warehouse_reports import (
    DAY_MS,
    NOW_MS,
    SUMMED,
    VIEWINGS,
    batch,
    delivery,
    event,
    insert,
    ledger,
    merge,
    records,
    store_of,
)
from ugc_core.bootstrap import open_warehouse
from ugc_core.codec import EVENT_HEADERS
from ugc_core.events import Event
from ugc_core.log import Record
from ugc_core.settings import WarehouseSection

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

_films = count(1000)

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
