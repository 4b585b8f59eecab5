"""Requests at a fixed rate, whatever becomes of them: as many viewers send, who wait for nobody.

`python -m harness.open_loop --url URL --rate 2000 --seconds 5 --requests FILE` sends on
connections that are there already, and measures each answer from the moment when its request
was *due*, not from when a connection was free for it. A service that stands still for a second
is thus blamed for every request of that second. It is a process of its own.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from uvloop import new_event_loop

from harness.api_requests import read
from harness.cores import on_core
from harness.crowd import Crowd, Outcome, Plan


async def offer(url: str, requests: Path, plan: Plan, *, core: int) -> Outcome:
    """Run a generator on a core; return what became of the requests.

    Raises:
        RuntimeError: It failed.
        TimeoutError: It does not end.
    """
    arguments = ["--url", url, "--requests", str(requests)]
    for name in plan.__struct_fields__:
        arguments += [f"--{name.replace('_', '-')}", str(getattr(plan, name))]
    process = await asyncio.create_subprocess_exec(
        *on_core(core, [sys.executable, "-m", "harness.open_loop", *arguments]),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(plan.seconds + 60):
        said, _ = await process.communicate()
    if process.returncode:
        msg = f"the load generator ended with {process.returncode}"
        raise RuntimeError(msg)
    return msgspec.json.decode(said, type=Outcome)


def main() -> None:
    """Print the outcome as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        argument_default=argparse.SUPPRESS,  # those of `Plan` hold
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", type=Path, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--patience-s", type=float)
    given = parser.parse_args()
    plan = msgspec.convert(vars(given), Plan)
    where = urlsplit(given.url)

    async def run() -> Outcome:
        crowd = Crowd(str(where.hostname), int(where.port or 80), plan, read(given.requests))
        return await crowd.run()

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        print(msgspec.json.encode(runner.run(run())).decode())


if __name__ == "__main__":
    main()
