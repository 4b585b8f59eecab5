"""Requests made from the OpenAPI document against a running system: `nox -s fuzz`.

Schemathesis draws requests that fit the document and requests that do not, in every phase that it
has and with all of its checks: no answer is the service's fault, undocumented, of another form
than promised, or given without a token. The long form (`-- --long`) makes at least 10,000 requests
and writes results/fuzz.json.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from uuid import UUID

from harness.results import commit, write
from harness.system import running_system

from fuzz.running import Run, fuzz
from ugc_api.auth.identity import ANALYST

SHORT_EXAMPLES, LONG_EXAMPLES = 20, 1_100
LEAST_LONG = 10_000
_USER = UUID(int=5)
_FAILED = 1


def keep(run: Run, seconds: float, of: str) -> None:
    """Write what a long run of a commit counted."""
    phases = {name: phase["status"] for name, phase in run.report["phases"].items()}
    write(
        "fuzz",
        {
            "commit": of,
            "schemathesis": run.report["schemathesis_version"],
            "seed": run.report["seed"],
            "operations": run.report["operations"]["tested"],
            "requests": run.requests,
            "findings": len(run.report["failures"]) + len(run.report["errors"]),
            "phases": phases,
            "seconds": round(seconds, 1),
        },
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 when anything was found, or when a long run was too short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="at least 10,000 requests")
    parser.add_argument("--examples", type=int, help="most requests for an operation and phase")
    parser.add_argument("--seed", type=int, help="draw the same requests again")
    options = parser.parse_args(arguments)
    examples = options.examples or (LONG_EXAMPLES if options.long else SHORT_EXAMPLES)
    began, of = time.monotonic(), commit()
    with running_system() as system:
        origin = system.api.partition("/api/")[0]
        token = system.token(_USER, roles=(ANALYST,))  # which every operation takes
        run = fuzz(origin, token, examples=examples, seed=options.seed)
    print(run.said)
    if run.code:
        return _FAILED
    if options.long and run.requests < LEAST_LONG:
        few = f"{run.requests:,} requests are fewer than {LEAST_LONG:,}; give more --examples"
        print(f"{few} than {examples}", file=sys.stderr)
        return _FAILED
    if options.long:
        keep(run, time.monotonic() - began, of)
    return 0


if __name__ == "__main__":
    sys.exit(main())
