"""Keeping children running, with small real programs as children."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ugc_cli.children import Child, Spec
from ugc_cli.supervisor import ChildFailedError, Supervisor
from ugc_core.clock import ManualClock
from ugc_core.environment import environment

WAIT_S = 20.0

PROGRAMS = {
    # Says that it is ready, and writes its name when it is asked to stop.
    "steady": """
        import os, signal, sys
        def stop(*_):
            with open(os.environ["STOPPED"], "a") as file:
                file.write(os.environ["NAME"] + "\\n")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        print("ready", flush=True)
        while True:
            signal.pause()
    """,
    "stubborn": """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("ready", flush=True)
        while True:
            signal.pause()
    """,
    "mute": """
        import signal
        signal.pause()
    """,
    "broken": """
        import sys
        sys.stderr.write("first words\\nthe disk is [full] :100:\\n")
        sys.exit(7)
    """,
    # Comes up once; every later start fails.
    "once": """
        import os, signal, sys
        if os.path.exists(os.environ["STOPPED"]):
            sys.stderr.write("last words\\n")
            sys.exit(9)
        open(os.environ["STOPPED"], "w").close()
        print("ready", flush=True)
        signal.pause()
    """,
    "chatty": """
        import signal, sys
        print("x" * 200_000, flush=True)
        print("ready", flush=True)
        signal.pause()
    """,
}


@dataclass
class Programs:
    """Where the programs are, and what they leave behind."""

    folder: Path
    said: list[str] = field(default_factory=list)

    def child(
        self,
        program: str,
        *,
        name: str = "",
        probe: Callable[[], Awaitable[None]] | None = None,
        stop_s: float = WAIT_S,
    ) -> Child:
        module = program.replace("-", "_")
        lines = PROGRAMS[program].splitlines()
        text = "\n".join(line.removeprefix(" " * 8) for line in lines)
        (self.folder / f"{module}.py").write_text(text)
        told: Mapping[str, str] = {
            **environment(),
            "PYTHONPATH": str(self.folder),
            "NAME": name or program,
            "STOPPED": str(self.folder / "stopped"),
        }
        name = name or program
        spec = Spec(
            name=name,
            module=module,
            environment=told,
            log=self.folder / f"{name}.log",
            probe=probe,
            stop_s=stop_s,
        )
        return Child(spec=spec)

    @asynccontextmanager
    async def supervised(self, *, start_s: float = WAIT_S) -> AsyncIterator[Supervisor]:
        supervisor = Supervisor(clock=ManualClock(), say=self.said.append, start_s=start_s)
        try:
            yield supervisor
        finally:
            supervisor.kill()
            await supervisor.stop()

    def stopped(self) -> list[str]:
        return (self.folder / "stopped").read_text().split()


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        # What is waited for happens in other processes: no event tells of it.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def pid(child: Child) -> int:
    assert child.process is not None
    return child.process.pid


def is_gone(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


# --- starting


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
        await supervisor.start(child)
        await supervisor.ready(child, timeout_s=WAIT_S)

        await until(lambda: "ready" in child.spec.log.read_text())

    assert child.spec.log.read_text().count("x") == 200_000


async def test_a_large_log_is_put_aside_when_the_child_starts(programs):
    child = programs.child("steady")
    child.spec.log.write_bytes(b"old\n" * 2_600_000)
    async with programs.supervised() as supervisor:
        await supervisor.start(child)
        await supervisor.ready(child, timeout_s=WAIT_S)
        await until(lambda: child.spec.log.read_bytes() == b"ready\n")

    assert (programs.folder / "steady.1.log").stat().st_size == 10_400_000


# --- keeping


async def test_a_child_that_is_killed_is_started_again(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("steady")
        await supervisor.start(child)
        await supervisor.ready(child, timeout_s=WAIT_S)
        first = pid(child)

        child.kill()

        await until(lambda: pid(child) != first and child.said_ready.is_set())
    (said,) = programs.said
    assert said.startswith("steady ended (signal 9); starting it again in ")


async def test_a_child_that_goes_on_failing_is_given_up_with_its_last_words(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("once")
        await supervisor.start(child)
        await supervisor.ready(child, timeout_s=WAIT_S)
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
        await supervisor.start(child)
        await supervisor.ready(child, timeout_s=WAIT_S)
        for _ in range(8):
            before = pid(child)
            await supervisor.clock.sleep(31)
            child.kill()
            await until(lambda: pid(child) != before and child.said_ready.is_set())  # noqa: B023

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
        await supervisor.start(child)
        await supervisor.ready(child, timeout_s=WAIT_S)
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
        await supervisor.start(child)
        await supervisor.ready(child, timeout_s=WAIT_S)

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


# --- stopping


async def test_children_are_stopped_in_reverse_order(programs):
    async with programs.supervised() as supervisor:
        for name in ("one", "two", "three"):
            child = programs.child("steady", name=name)
            await supervisor.start(child)
            await supervisor.ready(child, timeout_s=WAIT_S)

        await supervisor.stop()

        assert programs.stopped() == ["three", "two", "one"]
        assert programs.said == []


async def test_a_child_that_does_not_stop_is_killed_when_its_time_is_over(programs):
    async with programs.supervised() as supervisor:
        first = programs.child("steady", name="first")
        child = programs.child("stubborn", stop_s=0.2)
        for each in (first, child):
            await supervisor.start(each)
            await supervisor.ready(each, timeout_s=WAIT_S)

        await supervisor.stop()

        assert await child.wait() == -9
        assert programs.stopped() == ["first"]


async def test_a_stop_while_a_child_is_being_started_again_leaves_nothing_running(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("steady")
        await supervisor.start(child)
        await supervisor.ready(child, timeout_s=WAIT_S)
        child.kill()
        await until(lambda: bool(programs.said))

        await supervisor.stop()

        assert is_gone(pid(child))


async def test_stopping_twice_does_no_harm(programs):
    async with programs.supervised() as supervisor:
        child = programs.child("steady")
        await supervisor.start(child)
        await supervisor.ready(child, timeout_s=WAIT_S)
        await supervisor.stop()

        await supervisor.stop()

    assert programs.stopped() == ["steady"]
