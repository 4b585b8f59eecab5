"""Which core a process runs on: one for what is measured, another for the load and the broker."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

MEASURED = 0
AROUND = 1


def too_few() -> str | None:
    """Return why this machine cannot keep both apart; None if it can."""
    allowed = os.sched_getaffinity(0)
    if {MEASURED, AROUND} <= allowed:
        return None
    return f"two cores are needed, this process may use {sorted(allowed)}"


def on_core(core: int, command: Sequence[str]) -> list[str]:
    """Return a command that runs on one core, with all of its threads and children."""
    return ["taskset", "--cpu-list", str(core), *command]


@contextmanager
def staying_on(core: int) -> Iterator[None]:
    """Keep this thread and what it starts on one core until the end of the block."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
