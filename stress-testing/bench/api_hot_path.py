"""The hot path of ugc-api: single reports and batches over HTTP until Kafka has them.

One process of the service on one core; one broker and the load generator on another. Each
part is a measurement of its own and writes its own result: `python -m bench.api_hot_path
singles`; without a name all of them run, which takes about three quarters of an hour.
`--seconds 3 --rounds 1` shows in a minute that a part works; only with `--save` is its result
kept, of which `python -m harness.report` makes table and chart.
"""

import argparse
import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from harness.api_stage import absent, stage
from harness.results import write

from bench.api import batches, memory, open_loop, overload, servers, singles, steps

Part = Callable[..., Coroutine[Any, Any, dict[str, object]]]
PARTS: dict[str, Part] = {
    "singles": singles.measure,
    "steps": steps.measure,
    "batches": batches.measure,
    "open_loop": open_loop.measure,
    "overload": overload.measure,
    "servers": servers.measure,
    "memory": memory.measure,
}


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reports", type=int, default=5_000_000, help="for the part `memory`")
    parser.add_argument("--save", action="store_true", help="write the result")
    options = parser.parse_args()
    if why := absent():
        print(f"skipped: {why}")
        return
    for part in options.parts or PARTS:
        with stage() as where:
            how = {"seconds": options.seconds, "rounds": options.rounds}
            if part == "memory":
                how = {"reports": options.reports}
            found = asyncio.run(PARTS[part](where, **how))
        if not options.save:
            print(json.dumps(found, indent=2))
            continue
        print(write(f"api_{part}", found).read_text("utf-8"))


if __name__ == "__main__":
    main()
