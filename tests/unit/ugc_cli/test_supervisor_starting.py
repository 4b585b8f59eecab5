"""A child counts as started once it is ready; one that fails the start says why."""

import pytest

from tests.unit.ugc_cli.supervised_programs import WAIT_S, begin, until
from ugc_cli.supervisor import ChildFailedError


async def test_a_child_is_ready_once_it_says_so(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("steady")
        await supervisor.start(child)

        await supervisor.ready(child, timeout_s=WAIT_S)

        assert child.said_ready.is_set()
        assert supervisor.names() == ["steady"]


async def test_a_child_with_a_probe_is_ready_once_the_probe_returns(programs):
    answers = [ConnectionRefusedError(), TimeoutError(), None]
    asked = 0

    async def probe() -> None:
        nonlocal asked
        answer = answers[min(asked, len(answers) - 1)]
        asked += 1
        if answer:
            raise answer

    async with programs.supervised() as supervisor:
        child = programs.child("mute", probe=probe)
        await supervisor.start(child)

        await supervisor.ready(child, timeout_s=WAIT_S)

    assert asked >= len(answers)


async def test_a_child_that_ends_at_once_fails_the_start_with_its_last_words(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("broken")
        await supervisor.start(child)

        with pytest.raises(ChildFailedError) as failed:
            await supervisor.ready(child, timeout_s=WAIT_S)

    assert failed.value.exit_code == 7
    assert str(failed.value) == (
        "broken could not start (exit code 7): the disk is [full] :100:\n"
        f"  log: {programs.folder / 'broken.log'}"
    )


async def test_a_child_that_is_not_ready_in_time_fails_the_start(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("mute")
        await supervisor.start(child)

        with pytest.raises(ChildFailedError, match=r"was not ready within 0\.2 s: it said nothing"):
            await supervisor.ready(child, timeout_s=0.2)


async def test_a_failed_probe_that_is_a_bug_fails_the_start(programs):
    async def probe() -> None:
        msg = "a bug"
        raise RuntimeError(msg)

    async with programs.supervised() as supervisor:
        child = programs.child("mute", probe=probe)
        await supervisor.start(child)

        with pytest.raises(RuntimeError, match="a bug"):
            await supervisor.ready(child, timeout_s=WAIT_S)


async def test_a_line_longer_than_any_buffer_is_copied_to_the_log(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("chatty")
        await begin(supervisor, child)

        await until(lambda: "ready" in child.spec.log.read_text())

    assert child.spec.log.read_text().count("x") == 200_000


async def test_a_large_log_is_put_aside_when_the_child_starts(programs):
    child = programs.child("steady")
    child.spec.log.write_bytes(b"old\n" * 2_600_000)
    async with programs.supervised() as supervisor:
        await begin(supervisor, child)
        await until(lambda: child.spec.log.read_bytes() == b"ready\n")

    assert (programs.folder / "steady.1.log").stat().st_size == 10_400_000
