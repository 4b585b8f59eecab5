"""What the doctor thinks of what it sees, and in which order it looks."""

import pytest
from msgspec.structs import replace

from ugc_cli.diagnosis import Check, Diagnosis, Look, Patient, Verdict, examine, ok
from ugc_cli.diagnosis_log import judge_pipeline
from ugc_cli.diagnosis_settings import judge_disk
from ugc_cli.diagnosis_warehouse import judge_skew
from ugc_cli.state import Lag
from ugc_core.clock import ManualClock
from ugc_core.errors import LogDamagedError, LogUnavailableError
from ugc_core.settings import Settings

GIB = 1 << 30
PATIENT = Patient(
    settings=Settings(), api="http://x", embedded=True, clock=ManualClock(), watched_s=5
)


def looking(error: Exception | None = None) -> Look:
    async def look() -> list[Diagnosis]:
        if error is not None:
            raise error
        return ok("any", "fine")

    return look


def lag(committed: int | None, high: int, partition: int = 0) -> Lag:
    left = high - (committed or 0)
    return Lag(
        partition=partition,
        low=0,
        committed=committed,
        high=high,
        lag=left,
        oldest_s=7.0 if left else None,
    )


async def test_what_needs_something_silent_is_skipped_and_the_rest_goes_on():
    found = await examine(
        [
            Check(name="log", look=looking(LogUnavailableError("gone")), next="start it"),
            Check(name="topics", look=looking(), next="", needs=("log",)),
            Check(name="ledger", look=looking(), next="", needs=("topics",)),
            Check(name="damage", look=looking(LogDamagedError("broken")), next="mend it"),
            Check(name="any", look=looking(), next=""),
        ]
    )

    assert [(one.check, one.verdict) for one in found] == [
        ("log", Verdict.UNREACHABLE),
        ("topics", Verdict.SKIPPED),
        ("ledger", Verdict.SKIPPED),
        ("damage", Verdict.FAIL),
        ("any", Verdict.OK),
    ]
    assert [(one.why, one.next) for one in found if one.next] == [
        ("gone", "start it"),
        ("broken", "mend it"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "verdict", "words"),
    [
        ([lag(5, 10)], [lag(9, 10)], Verdict.OK, "catching up"),
        ([lag(5, 10)], [lag(10, 10)], Verdict.OK, "catching up"),
        ([lag(5, 10)], [lag(6, 20)], Verdict.WARN, "they grow"),
        ([lag(5, 10)], [lag(5, 10)], Verdict.FAIL, "nothing was committed"),
        ([lag(None, 10)], [lag(None, 12)], Verdict.FAIL, "nothing was committed"),
        (
            [lag(5, 10), lag(5, 10, 1)],
            [lag(9, 10), lag(5, 10, 1)],
            Verdict.FAIL,
            "in partitions 1",
        ),
        ([lag(5, 10)], [replace(lag(5, 10), held_up="theirs is open")], Verdict.WARN, "is open"),
    ],
)
def test_lag_alone_is_no_illness_but_standing_still_is(before, after, verdict, words):
    [found] = judge_pipeline(before, after, PATIENT)

    assert found.verdict is verdict
    assert words in found.why
    assert bool(found.next) == (verdict is not Verdict.OK)


@pytest.mark.parametrize(
    ("free", "verdict"), [(50, Verdict.OK), (9, Verdict.WARN), (1, Verdict.FAIL)]
)
def test_a_disk_that_fills_up_is_told_before_it_is_full(free: int, verdict: Verdict):
    [found] = judge_disk("disk", "here", free=free * GIB, total=100 * GIB, then="make room")

    assert found.verdict is verdict
    assert found.next == ("" if verdict is Verdict.OK else "make room")


@pytest.mark.parametrize(
    ("skew_ms", "verdict"), [(0, Verdict.OK), (5000, Verdict.WARN), (90_000, Verdict.FAIL)]
)
def test_clocks_may_differ_a_little(skew_ms: int, verdict: Verdict):
    [found] = judge_skew("node", skew_ms)

    assert found.verdict is verdict
