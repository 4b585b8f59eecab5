"""A report is followed to the stage that it has reached, whatever that is."""

from pathlib import Path
from uuid import UUID

from msgspec.structs import replace

from tests.integration.verified_system import NOW_MS, System, of, open_system
from ugc_core.codec import decode_line
from ugc_core.log import Receipt
from ugc_core.settings import WarehouseSection
from ugc_etl.verification.bootstrap import open_tracer
from ugc_etl.verification.stages import Line, Stage
from ugc_etl.verification.trace import Trace

VERSION_0 = (
    b'{"film_id":"00000000-0000-0000-0000-000000000009","progress":1,"total":9,'
    b'"user_id":"00000000-0000-0000-0000-000000000009","created_at":"2026-01-01T00:00:00"}'
)


async def trace(system: System, what: UUID | Receipt, *, whole: bool = False) -> Trace:
    async with open_tracer(system.settings) as tracer:
        if isinstance(what, UUID):
            return await tracer.by_event(what)
        line = None if whole else what.line
        return await tracer.by_receipt(what.partition, what.offset, line)


async def only(system: System, what: UUID | Receipt) -> Line:
    (line,) = (await trace(system, what)).lines
    return line


async def test_every_stage_is_told(fresh_database: WarehouseSection, tmp_path: Path, make_event):
    async with open_system(fresh_database, tmp_path) as system:
        stored, lost, gone = make_event(user=1), make_event(user=1), make_event(user=2)
        first = await system.append(stored, lost, lines=[b'no {"event_id":"%s"}' % NAMED])
        await system.append(replace(stored, received_at=NOW_MS + 1))
        erased = await system.append(gone)
        await system.forget(gone.user_id)
        await system.ingest()
        await system.change(f"DELETE FROM views_raw WHERE {of(lost)}")
        waiting = await system.append(make_event(user=1))

        copies = (await trace(system, stored.event_id)).lines
        assert [line.stage for line in copies] == [Stage.STORED, Stage.REPEATED]
        assert copies[0].batches[0].lines >= 3
        assert copies[0].headers["schema_version"] == "1"
        assert (await only(system, lost.event_id)).stage is Stage.LOST
        assert "ugc replay log" in (await only(system, lost.event_id)).next
        dead = await only(system, UUID(NAMED.decode()))
        assert dead.stage is Stage.DEAD
        assert dead.letter is not None
        assert dead.letter.resolution is None
        assert dead.next == f"ugc dlq show {dead.letter.key}"
        assert (await only(system, erased)).stage is Stage.ERASED
        assert (await only(system, waiting)).stage is Stage.WAITING
        whole = (await trace(system, first, whole=True)).lines
        assert [line.stage for line in whole] == [Stage.STORED, Stage.LOST, Stage.DEAD]
        erasure = replace(erased, offset=erased.offset + 1)
        assert (await only(system, erasure)).stage is Stage.ERASURE


NAMED = b"00000000-0000-7000-8000-0000000000aa"


async def test_what_has_left_the_log_is_found_by_its_row(
    fresh_database: WarehouseSection, tmp_path: Path, make_event
):
    async with open_system(fresh_database, tmp_path) as system:
        event = make_event(user=1)
        receipt = await system.append(event, lines=[NAMED])
        await system.ingest()
        system.cut(receipt.partition, receipt.offset + 1)

        by_id, by_receipt = await only(system, event.event_id), await only(system, receipt)
        letter = await only(system, UUID(NAMED.decode()))

    assert by_id == by_receipt
    assert (by_id.stage, by_id.in_log) == (Stage.STORED, False)
    assert by_id.batches[0].lines == 2
    assert (letter.stage, letter.in_log) == (Stage.DEAD, False)


async def test_a_record_of_version_0_is_found_by_the_id_it_was_given(
    fresh_database: WarehouseSection, tmp_path: Path
):
    async with open_system(fresh_database, tmp_path) as system:
        receipt = await system.append_lines(b"k", [VERSION_0], ())
        await system.ingest()

        line = await only(system, decode_line(VERSION_0, 0).event_id)

    assert (line.stage, line.receipt) == (Stage.STORED, f"{receipt.partition}:0:0")


async def test_an_unknown_id_says_where_it_was_looked_for(
    fresh_database: WarehouseSection, tmp_path: Path
):
    async with open_system(fresh_database, tmp_path) as system:
        found = await trace(system, UUID(int=7))

    assert found.lines == []
    assert len(found.searched) == 4
