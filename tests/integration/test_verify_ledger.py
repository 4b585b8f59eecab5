"""A verification names every fault in the ledger, among the dead letters and in the log."""

from tests.integration.watched_system import faults, filled, kinds
from ugc_etl.verification.findings import Kind

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


async def test_a_log_that_was_replaced_is_named(open_system, make_event):
    async with filled(open_system, make_event) as (system, _):
        with system.log_file() as file:
            file.execute("UPDATE committed SET offset = 99")

        found = await system.verify()

    assert kinds(found) == {Kind.REPLACED}
    assert "committed up to 99" in faults(found)[0].detail
