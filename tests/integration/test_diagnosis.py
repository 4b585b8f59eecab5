"""The doctor's looks at the real engine that need a clock of the test's own."""

from ugc_cli import diagnosis_warehouse
from ugc_cli.diagnosis import Patient, Verdict, examine
from ugc_core.clock import Clock, ManualClock, SystemClock
from ugc_core.settings import Settings, WarehouseSection


async def verdict_of_clocks(section: WarehouseSection, clock: Clock) -> Verdict:
    patient = Patient(
        settings=Settings(warehouse=section), api="", embedded=False, clock=clock, watched_s=0
    )
    checks = diagnosis_warehouse.later_checks(patient)
    [found] = await examine([one for one in checks if one.name == "clocks"])
    return found.verdict


async def test_a_clock_that_is_wrong_by_more_than_a_minute_is_a_fault(
    fresh_database: WarehouseSection,
):
    now_ms = SystemClock().wall_ms()

    assert await verdict_of_clocks(fresh_database, SystemClock()) is Verdict.OK
    for wrong in (now_ms - 300_000, now_ms + 300_000):
        clock = ManualClock(wall_ms=wrong)
        assert await verdict_of_clocks(fresh_database, clock) is Verdict.FAIL
