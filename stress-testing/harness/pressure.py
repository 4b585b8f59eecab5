"""The load generator as a child process, with the tokens it needs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import msgspec

from harness.load import Outcome
from harness.system import System

_HERE = Path(__file__).parents[1]
_FIRST_USER = 0xC0FFEE << 96


def press(
    system: System, *, users: int, batch: int, batches: int, per_s: float = 0, first: int = 0
) -> Outcome:
    """Post batches of several users at once and return what came of it.

    Args:
        system: Where to post.
        users: How many post at the same time, each on a connection of its own.
        batch: Reports in a request.
        batches: Requests of each user.
        per_s: Reports a second in all; 0 is as fast as the answers come.
        first: Number of the first user, where one run follows another.
    """
    numbers = range(first, first + users)
    tokens = "\n".join(system.token(UUID(int=_FIRST_USER | number)) for number in numbers)
    arguments = ["--api", system.api, "--batch", str(batch), "--batches", str(batches)]
    run = subprocess.run(
        [sys.executable, "-m", "harness.load", *arguments, "--per-s", str(per_s)],
        input=tokens,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(_HERE)},
    )
    return msgspec.convert(json.loads(run.stdout), Outcome)
