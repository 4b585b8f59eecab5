"""A verification names every fault in the rows and in what is derived from them, and nothing else.

Each test fills a system of its own through the pipeline, plants one fault by hand as a person or
a broken disk would, and verifies.
"""

from uuid import UUID

from msgspec.structs import replace

from tests.integration.verified_system import DAY_MS, NOW_MS, of
from tests.integration.watched_system import facts, faults, filled, kinds, named
from ugc_etl.verification.findings import Kind


async def test_a_lost_row_is_named(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        await system.change(f"DELETE FROM views_raw WHERE {of(events[17])}")

        found = await system.verify()

    (missing,) = named(found, Kind.MISSING)
    assert missing.subject.startswith(str(events[17].event_id))
    assert "ugc replay log" in missing.next
    assert kinds(found) == {Kind.MISSING, Kind.DERIVED}


async def test_a_phantom_is_named_wherever_it_claims_to_come_from(open_system, make_event):
    async with filled(open_system, make_event) as (system, _):
        phantoms = [make_event(user=n) for n in (1, 2, 3)]
        await system.insert(phantoms[0], partition=0, offset=0)
        await system.insert(phantoms[1], partition=1, offset=10_000)  # not given out yet
        await system.insert(phantoms[2], partition=9, offset=0)  # there is no such partition

        found = await system.verify()

    subjects = sorted(finding.subject.split()[0] for finding in named(found, Kind.FOREIGN))
    assert subjects == sorted(str(event.event_id) for event in phantoms)
    assert kinds(found) == {Kind.FOREIGN}


async def test_a_row_doubled_in_another_month_is_named(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        shifted = replace(events[3], viewed_at=NOW_MS + 40 * DAY_MS, received_at=NOW_MS + 1)
        await system.insert(shifted, partition=0, offset=0)

        found = await system.verify()

    (doubled,) = named(found, Kind.DOUBLED)
    assert doubled.subject.startswith(str(events[3].event_id))
    assert "2 rows" in doubled.detail
    # It loses in `views`, but the derived tables have seen it.
    assert kinds(found) == {Kind.DOUBLED, Kind.DERIVED}


async def test_a_row_that_analysts_see_twice_is_named(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        await system.change("DROP VIEW views")
        await system.change(
            "CREATE VIEW views AS SELECT * FROM views_raw FINAL"
            f" UNION ALL SELECT * FROM views_raw FINAL WHERE {of(events[5])}"
        )

        found = await system.verify()

    (doubled,) = named(found, Kind.DOUBLED)
    assert doubled.subject.startswith(str(events[5].event_id))
    assert kinds(found) == {Kind.DOUBLED}


SHIFTED = """
    SELECT * REPLACE (day + 1 AS day) FROM playback WHERE user_id = '{user}'
"""
ADVANCED = """
    SELECT user_id, profile_id, film_id, argMaxState(
        CAST((progress_ms, total_ms, event_time + 1), $$Tuple(progress_ms UInt32, total_ms UInt32,
            event_time DateTime64(3, 'UTC'))$$),
        (event_time + 1, toUInt32(1), UUIDToNum(event_id)))
    FROM views_raw WHERE user_id = '{user}' GROUP BY user_id, profile_id, film_id
"""
CHANGES = {
    "progress_ms": "progress_ms + 1",
    "total_ms": "total_ms + 1",
    "watched_from_ms": "NULL",
    "session_id": "generateUUIDv4()",
    "seq": "seq + 1",
    "kind": "'end'",
    "device": "'phone'",
    "extra": "''",
    "clock_offset_ms": "5",
    "viewed_at": "viewed_at - INTERVAL 1 HOUR",
}


async def test_changed_content_is_named_with_its_column(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        by_column = dict(zip(CHANGES, events[5:], strict=False))
        await system.change(
            "ALTER TABLE views_raw "
            + ", ".join(
                f"UPDATE {column} = {CHANGES[column]} WHERE {of(event)}"
                for column, event in by_column.items()
            )
        )

        found = await system.verify()

    altered = {finding.subject.split()[0]: finding for finding in named(found, Kind.ALTERED)}
    assert altered.keys() == {str(event.event_id) for event in by_column.values()}
    for column, event in by_column.items():
        assert f"{column} is " in altered[str(event.event_id)].detail
        assert altered[str(event.event_id)].detail.count(" is ") == 1
    assert kinds(found) == {Kind.ALTERED, Kind.DERIVED}


async def test_a_shifted_time_is_named(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        shifted = replace(events[9], viewed_at=events[9].viewed_at + 3_600_000, received_at=1)
        await system.insert(shifted, partition=0, offset=0)

        found = await system.verify()

    (altered,) = named(found, Kind.ALTERED)
    assert "event_time is 2026-01-01 01:" in altered.detail
    assert "viewed_at is" in altered.detail
    assert kinds(found) <= {Kind.ALTERED, Kind.DERIVED}


async def test_a_row_of_an_erased_user_that_is_still_there_is_named(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        await system.forget(events[0].user_id)
        await system.ingest()
        receipt = await system.place_of(events[1])
        await system.insert(events[1], partition=receipt.partition, offset=receipt.offset, line=1)

        found = await system.verify()

    (unerased,) = named(found, Kind.UNERASED)
    assert unerased.subject.startswith(str(events[1].event_id))
    assert unerased.next == f"ugc forget {events[1].user_id}"
    assert kinds(found) == {Kind.UNERASED}


async def test_a_derived_table_that_differs_is_named_with_film_and_user(open_system, make_event):
    changes = {
        1: ("playback", "DELETE FROM playback WHERE user_id = '{user}'"),
        2: ("playback", "ALTER TABLE playback UPDATE last_time = 0 WHERE user_id = '{user}'"),
        3: ("playback", f"INSERT INTO playback {SHIFTED}"),
        4: ("resume_points", "DELETE FROM resume_points WHERE user_id = '{user}'"),
        5: ("resume_points", f"INSERT INTO resume_points {ADVANCED}"),
    }
    async with filled(open_system, make_event) as (system, _):
        for user, (_, change) in changes.items():
            await system.change(change.format(user=UUID(int=user)))

        found = await system.verify()

    assert kinds(found) == {Kind.DERIVED}
    assert {finding.subject for finding in faults(found)} == {
        f"{table}, film {UUID(int=7 + user % 2)}, user {UUID(int=user)}"
        for user, (table, _) in changes.items()
    }


async def test_memory_is_bounded_by_reading_in_passes(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        await system.change(f"DELETE FROM views_raw WHERE {of(events[17])}")
        await system.change(f"DELETE FROM views_raw WHERE {of(events[44])}")

        whole = await system.verify()
        parts = await system.verify(at_once=10)

    counted = facts(parts, "reports")
    assert counted["passes"] == 6
    assert counted["held"] < 30
    assert counted["reports"] == len(events)
    assert sorted(f.subject for f in parts.findings) == sorted(f.subject for f in whole.findings)
