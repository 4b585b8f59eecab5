"""Small real programs, each with one trait, as the children of a supervisor."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ugc_cli.children import Child, Spec
from ugc_cli.supervisor import Supervisor
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


async def begin(supervisor: Supervisor, child: Child) -> None:
    """Start a child, and wait until it is ready."""
    await supervisor.start(child)
    await supervisor.ready(child, timeout_s=WAIT_S)


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
