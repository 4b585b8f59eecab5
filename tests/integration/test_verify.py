"""A verification of the real engine and a real log: every planted fault is named, nothing else.

Each test fills a system of its own through the pipeline, plants one fault by hand as a person or
a broken disk would, and verifies.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec import Raw
from msgspec.structs import replace

from tests.integration.verified_system import DAY_MS, NOW_MS, System, of
from tests.integration.verified_system import open_system as open_in
from ugc_core.bootstrap import (
    open_log_scrubber,
)
from ugc_core.codec import (
    EVENT_HEADERS,
)
from ugc_core.events import Event
from ugc_core.settings import WarehouseSection
from ugc_etl.verification.findings import Finding, Kind
from ugc_etl.verification.verify import Verification

OpenSystem = Callable[..., AbstractAsyncContextManager[System]]


@pytest.fixture
def open_system(fresh_database: WarehouseSection, tmp_path: Path) -> OpenSystem:
    return partial(open_in, fresh_database, tmp_path)


def viewing(make_event, *, users: int = 6, reports: int = 10) -> list[list[Event]]:
    """Return some users' heartbeats, each user's as one record."""
    return [
        [
            make_event(
                user=user,
                film=7 + user % 2,
                watched_from=float(10 * n),
                progress=float(10 * n + 10),
                viewed_at=NOW_MS + 10_000 * n,
                session_id=UUID(int=500 + user),
                seq=n,
                kind="heartbeat",
                device="tv",
                extra=Raw(b'{"n":1}'),
            )
            for n in range(reports)
        ]
        for user in range(1, users + 1)
    ]


@asynccontextmanager
async def filled(open_system, make_event) -> AsyncIterator[tuple[System, list[Event]]]:
    """Open a system in which six users have watched, and everything is ingested."""
    async with open_system() as system:
        records = viewing(make_event)
        for record in records:
            await system.append(*record)
        await system.ingest()
        yield system, [event for record in records for event in record]


def faults(found: Verification) -> list[Finding]:
    return [finding for finding in found.findings if finding.fault]


def facts(found: Verification, check: str) -> Mapping[str, Any]:
    return {each.name: each.facts for each in found.checks}[check]


def kinds(found: Verification) -> set[Kind]:
    return {finding.kind for finding in faults(found)}


def named(found: Verification, kind: Kind) -> list[Finding]:
    return [finding for finding in faults(found) if finding.kind is kind]


async def test_a_clean_system_has_no_finding(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        found = await system.verify()

    assert found.findings == []
    assert found.good
    assert facts(found, "ledger")["stored"] == len(events)
    assert facts(found, "reports")["reports"] == len(events)


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


FIGURES = {
    "records = records + 1": Kind.MISCOUNTED,
    "lines = lines + 1, stored = stored + 1": Kind.MISCOUNTED,
    "content_hash = 'other'": Kind.MISCOUNTED,
    "stored = stored - 1": Kind.UNBALANCED,
    "dead = dead + 1, stored = stored - 1": Kind.UNBURIED,
}


async def test_a_wrong_figure_in_the_ledger_is_named(open_system, make_event):
    async with open_system(max_rows=2) as system:  # a batch for each record
        receipts = {
            change: await system.append(make_event(user=1), make_event(user=1))
            for change in FIGURES
        }
        await system.ingest()
        await system.change(
            "ALTER TABLE ingested "
            + ", ".join(
                f"UPDATE {change} WHERE partition = {at.partition} AND first_offset = {at.offset}"
                for change, at in receipts.items()
            )
        )

        found = await system.verify()

    for change, kind in FIGURES.items():
        span = "offsets {0} to {0}".format(receipts[change].offset)
        assert [f.kind for f in faults(found) if f.subject.endswith(span)] == [kind]
    assert len(faults(found)) == len(FIGURES)


async def test_a_missing_range_is_named_with_what_it_holds(open_system, make_event):
    async with filled(open_system, make_event) as (system, _):
        receipt = await system.append(make_event(user=1), make_event(user=1))
        await system.ingest()
        await system.change("DELETE FROM ingested WHERE records = 1 AND lines = 2")
        batch = await system.batch(receipt.partition, receipt.offset, receipt.offset)

        found = await system.verify(deep=False)

        await system.insert_ledger(batch)
        mended = await system.verify(deep=False)

    assert mended.good
    (gap,) = faults(found)
    assert gap.kind is Kind.GAP
    assert "1 records with 2 lines" in gap.detail
    assert gap.next == "ugc replay log --gaps"
    assert [check.name for check in found.checks] == ["ledger"]


async def test_an_overlap_that_agrees_with_the_log_is_a_note(open_system, make_event):
    async with filled(open_system, make_event) as (system, _):
        await system.append(make_event(user=1))
        receipt = await system.append(make_event(user=1))
        await system.ingest()
        batch = await system.batch(receipt.partition, receipt.offset, receipt.offset)
        await system.insert_ledger(batch)

        found = await system.verify(deep=False)

    assert found.good
    assert [finding.kind for finding in found.findings] == [Kind.OVERLAP]


async def test_offsets_without_a_record_are_no_gap(open_system, make_event):
    async with open_system() as system:
        receipt = await system.append(make_event(user=1))
        await system.append(make_event(user=1))
        await system.append(make_event(user=1))
        with system.log_file() as file:
            file.execute("DELETE FROM record WHERE id % 1000000000 = ?", (receipt.offset + 1,))
        await system.ingest()

        found = await system.verify()

    assert found.findings == []


async def test_records_that_wait_are_no_loss(open_system, make_event):
    async with filled(open_system, make_event) as (system, _):
        await system.append(make_event(user=1))

        found = await system.verify()

        late = await system.caught_up(within_s=1.0)
        await system.ingest()

        assert (late, await system.caught_up(within_s=1.0)) == (1, 0)

    assert found.findings == []
    assert found.waiting == 1


async def test_conflicting_copies_are_noted_with_both_receipts(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        first = events[0]
        other = replace(first, progress=5.0, watched_from=0.0, received_at=NOW_MS + 1)
        again = replace(first, received_at=NOW_MS + 2)
        receipt = await system.append(other)
        await system.append(again)
        await system.ingest()

        found = await system.verify()

    assert found.good
    noted = [finding for finding in found.findings if finding.kind is Kind.CONFLICTING]
    assert [finding.subject.split()[0] for finding in noted] == [str(first.event_id)]
    assert f"{receipt.partition}:{receipt.offset}:0" in noted[0].detail
    assert {finding.kind for finding in found.findings} <= {Kind.CONFLICTING, Kind.DERIVED}


async def test_retries_late_copies_and_bad_lines_are_no_fault(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        for later, event in enumerate(events[:20]):
            await system.append(replace(event, received_at=NOW_MS + later))
        version_0 = (
            b'{"film_id":"00000000-0000-0000-0000-000000000009","progress":1,"total":9,'
            b'"user_id":"00000000-0000-0000-0000-000000000009","created_at":"2026-01-01T00:00:00"}'
        )
        await system.append_lines(b"k", [b"no json", b"{}", version_0], EVENT_HEADERS)
        await system.append_lines(b"k", [version_0], ())
        await system.ingest()

        found = await system.verify()

    assert found.findings == []
    assert facts(found, "dead letters") == {"counted": 3, "letters": 3}
    assert facts(found, "reports")["reports"] == len(events) + 1


async def test_a_dead_letter_that_is_not_there_is_named(open_system, make_event):
    async with filled(open_system, make_event) as (system, _):
        receipt = await system.append(make_event(user=1), lines=[b"no json"])
        await system.ingest()
        with system.log_file() as file:
            file.execute("DELETE FROM record WHERE instr(value, CAST('reason' AS BLOB))")

        found = await system.verify()

    (unburied,) = faults(found)
    assert unburied.kind is Kind.UNBURIED
    assert f"[{receipt.partition}] offset {receipt.offset}, line 1" in unburied.subject


async def test_an_erased_user_is_no_loss(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        user = events[0].user_id
        named_user = b'{"user_id":"%s"}' % str(user).encode()
        await system.append(make_event(user=2), lines=[named_user])
        await system.ingest()
        await system.forget(user)
        await system.ingest()
        async with open_log_scrubber(system.settings.log) as scrubber:
            assert scrubber
            assert await scrubber.scrub("views.dlq", lambda line: str(user).encode() in line) == 1
        await system.append(replace(events[1], received_at=NOW_MS + 9))
        await system.ingest()

        found = await system.verify()

    assert faults(found) == []
    assert facts(found, "reports")["erased"] == 11


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


async def test_an_erasure_that_is_under_way_is_no_fault(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        await system.forget(events[0].user_id)
        await system.ingest()
        receipt = await system.place_of(events[1])
        await system.insert(events[1], partition=receipt.partition, offset=receipt.offset, line=1)
        await system.change("DELETE FROM playback WHERE 1")
        await system.change("ALTER TABLE erasures DELETE WHERE erased_at > 0")

        found = await system.verify()

    assert {finding.subject.rpartition(" ")[2] for finding in faults(found)} == {
        str(event.user_id) for event in events[10:]
    }


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


async def test_what_has_left_the_log_is_not_judged(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        receipt = await system.append(
            replace(events[0], received_at=NOW_MS + 5, progress=7.0, watched_from=0.0)
        )
        await system.ingest()
        system.cut(receipt.partition, receipt.offset)

        found = await system.verify()

    assert found.good
    assert facts(found, "reports")["older"] >= 10


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


async def test_a_log_that_was_replaced_is_named(open_system, make_event):
    async with filled(open_system, make_event) as (system, _):
        with system.log_file() as file:
            file.execute("UPDATE committed SET offset = 99")

        found = await system.verify()

    assert kinds(found) == {Kind.REPLACED}
    assert "committed up to 99" in faults(found)[0].detail


async def test_a_report_that_the_warehouse_refused_is_no_loss(open_system, make_event):
    async with filled(open_system, make_event) as (system, _):
        await system.change("ALTER TABLE views_raw ADD CONSTRAINT few CHECK progress_ms < 5000000")
        await system.append(make_event(user=1, progress=5001.0), make_event(user=1))
        await system.ingest()

        found = await system.verify()

    assert found.findings == []
    assert facts(found, "dead letters") == {"counted": 1, "letters": 1}
