"""A verification takes nothing for a fault that only looks like one."""

from msgspec.structs import replace

from tests.integration.verified_system import NOW_MS
from tests.integration.watched_system import facts, faults, filled
from ugc_core.bootstrap import open_log_scrubber
from ugc_core.codec import EVENT_HEADERS
from ugc_etl.verification.findings import Kind


async def test_a_clean_system_has_no_finding(open_system, make_event):
    async with filled(open_system, make_event) as (system, events):
        found = await system.verify()

    assert found.findings == []
    assert found.good
    assert facts(found, "ledger")["stored"] == len(events)
    assert facts(found, "reports")["reports"] == len(events)


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


async def test_a_report_that_the_warehouse_refused_is_no_loss(open_system, make_event):
    async with filled(open_system, make_event) as (system, _):
        await system.change("ALTER TABLE views_raw ADD CONSTRAINT few CHECK progress_ms < 5000000")
        await system.append(make_event(user=1, progress=5001.0), make_event(user=1))
        await system.ingest()

        found = await system.verify()

    assert found.findings == []
    assert facts(found, "dead letters") == {"counted": 1, "letters": 1}
