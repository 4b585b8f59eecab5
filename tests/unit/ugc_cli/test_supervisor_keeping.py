"""A child that ends or hangs is started again, until it is given up."""

import pytest

from tests.unit.ugc_cli.supervised_programs import WAIT_S, begin, is_gone, pid, until
from ugc_cli.children import Child
from ugc_cli.supervisor import ChildFailedError


async def test_a_child_that_is_killed_is_started_again(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("steady")
        await begin(supervisor, child)
        first = pid(child)

        child.kill()

        await until(lambda: pid(child) != first and child.said_ready.is_set())
    (said,) = programs.said
    assert said.startswith("steady ended (signal 9); starting it again in ")


async def test_a_child_that_goes_on_failing_is_given_up_with_its_last_words(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("once")
        await begin(supervisor, child)
        child.kill()

        with pytest.raises(ChildFailedError) as failed:
            await supervisor.watch()

    assert failed.value.exit_code == 9
    assert "ended 6 times in a row (exit code 9): last words" in str(failed.value)
    waits = [float(said.split(" in ")[1].removesuffix(" s")) for said in programs.said]
    assert len(waits) == 5
    ceilings = [0.2, 0.4, 0.8, 1.6, 3.2]
    # Half of the ceiling at least, and one decimal is shown.
    assert all(
        ceiling / 2 - 0.05 <= wait <= ceiling + 0.05
        for wait, ceiling in zip(waits, ceilings, strict=True)
    )


async def test_failures_long_apart_do_not_add_up(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("steady")
        await begin(supervisor, child)
        for _ in range(8):
            before = pid(child)
            await supervisor.clock.sleep(31)
            child.kill()
            await until(lambda: pid(child) != before and child.said_ready.is_set())  # noqa: B023 - awaited here

    assert len(programs.said) == 8
    assert all("again in 0.1 s" in said or "again in 0.2 s" in said for said in programs.said)


async def test_a_child_that_stops_answering_is_killed_and_started_again(programs):
    hung: set[int] = set()
    asked = 0
    child: Child

    async def probe() -> None:
        nonlocal asked
        asked += 1
        if pid(child) in hung:
            raise TimeoutError

    async with programs.supervised() as supervisor:
        child = programs.child("stubborn", probe=probe)
        await begin(supervisor, child)
        first = pid(child)
        await until(lambda: asked > 5)

        hung.add(first)

        await until(lambda: pid(child) != first)
        await until(lambda: is_gone(first))
    assert programs.said[0] == "stubborn does not answer; killing it"
    assert programs.said[1].startswith("stubborn ended (signal 9); starting it again")


async def test_two_lost_probes_are_no_reason_to_kill(programs):
    lost = 0

    async def probe() -> None:
        nonlocal lost
        lost += 1
        if lost % 3:  # two in a row, then an answer
            raise TimeoutError

    async with programs.supervised() as supervisor:
        child = programs.child("steady", probe=probe)
        await begin(supervisor, child)

        await until(lambda: lost > 60)

    assert programs.said == []


async def test_a_child_that_hangs_when_started_again_is_started_once_more(programs):
    answering: set[int] = set()
    child: Child

    async def probe() -> None:
        if pid(child) not in answering:
            raise ConnectionRefusedError

    async with programs.supervised(start_s=0.3) as supervisor:
        child = programs.child("mute", probe=probe)
        await supervisor.start(child)
        answering.add(pid(child))
        await supervisor.ready(child, timeout_s=WAIT_S)
        first = pid(child)

        child.kill()
        await until(lambda: pid(child) != first)
        second = pid(child)

        await until(lambda: pid(child) != second)
    assert "mute does not answer; killing it" in programs.said
