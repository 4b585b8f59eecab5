"""From `ugc up` on an empty directory to the first accepted report.

Baseline, in the same invocation: a bare Python that opens chDB on an empty directory and
answers `SELECT 1`, which is the least that a start can take.
"""

import subprocess
import sys
import time
from tempfile import TemporaryDirectory
from uuid import UUID

import httpx
from harness.results import spread, write
from harness.system import System, running_system

RUNS = 7
FILM = UUID(int=1)
USER = UUID(int=2)
_BASELINE = "import sys, chdb; chdb.connect(sys.argv[1]).query('SELECT 1')"


def first_report(system: System) -> None:
    """Post one report; it has to be accepted."""
    answer = httpx.post(
        f"{system.api}progresses/films/{FILM}/",
        json={"progress": 1, "total": 5400},
        headers={"Authorization": f"Bearer {system.token(USER)}"},
        timeout=30,
    )
    answer.raise_for_status()


def one_start() -> float:
    """Return the seconds from the command to the first 202."""
    began = time.perf_counter()
    with running_system() as system:
        first_report(system)
        return time.perf_counter() - began


def one_baseline() -> float:
    """Return the seconds of the bare engine."""
    with TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", _BASELINE, folder], check=True)
        return time.perf_counter() - began


def main() -> None:
    """Measure in turns, so that the machine's moods hit both."""
    one_start(), one_baseline()
    starts, floors = zip(*((one_start(), one_baseline()) for _ in range(RUNS)), strict=True)
    ratios = sorted(start / floor for start, floor in zip(starts, floors, strict=True))
    figures: dict[str, object] = {
        "runs": RUNS,
        "first_report": spread(starts),
        "baseline": "a bare Python that opens chDB and answers SELECT 1",
        "baseline_time": spread(floors),
        "ratio_median": round(ratios[len(ratios) // 2], 2),
    }
    print(write("startup", figures).read_text("utf-8"))


if __name__ == "__main__":
    main()
