"""What the options of dead letters and replays mean, before anything is opened."""

import asyncio
import os
import signal

import pytest
import typer
from msgspec.structs import replace

from ugc_cli.interrupts import until_done_or_stopped
from ugc_cli.moments import parse_moment
from ugc_cli.progress import Lines
from ugc_cli.replaying import LogOptions, check, select
from ugc_core.clock import ManualClock
from ugc_etl.replay.plans import Kind
from ugc_etl.replay.spans import Span

NOW_MS = 1_767_225_600_000
NOTHING = LogOptions(
    everything=False,
    from_ms=None,
    until_ms=None,
    partition=None,
    from_offset=None,
    until_offset=None,
    offsets=(),
    gaps=False,
    dlq=False,
    resume=None,
)


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("2026-01-01T00:00:00Z", NOW_MS),
        ("2026-01-01T03:00:00+03:00", NOW_MS),
        ("2026-01-01", NOW_MS),
        ("90s", NOW_MS - 90_000),
        ("2h", NOW_MS - 7_200_000),
        ("7d", NOW_MS - 7 * 86_400_000),
    ],
)
def test_a_time_is_written_in_one_of_three_ways(text: str, at_ms: int):
    assert parse_moment(text, option="--since", now_ms=NOW_MS) == at_ms


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-01-01T00:00:00", "2026-13-01", "5w", "1e3"]
)
def test_what_is_no_time_is_refused_with_the_options_name(text: str):
    with pytest.raises(typer.BadParameter, match="--since"):
        parse_moment(text, option="--since", now_ms=NOW_MS)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"partition": 1},
        {"from_offset": 1},
        {"gaps": True, "dlq": True},
        {"everything": True, "from_ms": 1},
        {"dlq": True, "partition": 1},
        {"offsets": ["1:5-4"]},
        {"offsets": ["5-9"]},
        {"resume": "x", "gaps": True},
        {"gaps": True, "from_offset": 1},
        {"swap": True, "everything": True},
        {"swap": True, "partition": 1},
    ],
)
def test_options_that_mean_nothing_or_two_things_are_refused(changes: dict[str, object]):
    with pytest.raises(typer.BadParameter):
        check(replace(NOTHING, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"everything": True},
        {"from_ms": 1, "partition": 2},
        {"partition": 1, "from_offset": 5},
        {"gaps": True, "partition": 1, "from_offset": 5},
        {"dlq": True},
        {"resume": "x"},
        {"swap": True},
    ],
)
def test_options_that_mean_one_thing_are_taken(changes: dict[str, object]):
    check(replace(NOTHING, **changes))


def test_a_range_includes_both_of_its_ends():
    found = select(replace(NOTHING, offsets=["1:5-9"]))

    assert found.kind is Kind.LOG
    assert found.ranges == (Span(partition=1, start=5, end=10),)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_asks_and_what_is_in_hand_is_finished(number: signal.Signals):
    async def work(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), number)
        await stop.wait()
        return "finished"

    assert await until_done_or_stopped(work, drain_s=20) == "finished"


async def test_the_second_signal_ends_it():
    async def work(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        return "never"

    assert await until_done_or_stopped(work, drain_s=20) is None


async def test_an_error_comes_through():
    async def work(_: asyncio.Event) -> None:
        msg = "broken"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="broken"):
        await until_done_or_stopped(work, drain_s=20)


async def test_a_pipe_gets_a_line_now_and_then_with_the_time_that_is_left(capsys):
    clock = ManualClock()
    lines = Lines(what="replay x", total=100, clock=clock)

    for done in range(0, 50, 10):
        lines.reach(done, f"{done} records")
        await clock.sleep(2)

    said = capsys.readouterr().err
    assert said.splitlines() == ["replay x: 30%, 30 records, about 14 s left"]
