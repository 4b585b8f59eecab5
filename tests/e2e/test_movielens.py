"""Real input: every MovieLens rating through a running system, against plain Python."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_every_number_of_the_movielens_run_equals_plain_python():
    run = subprocess.run(
        [sys.executable, "-m", "datasets.movielens"],
        cwd=ROOT / "stress-testing",
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    figures = dict(line.split(maxsplit=1) for line in run.stdout.splitlines())
    assert figures["accepted"] == figures["stored"] == "100004"
    assert figures["differences"] == "0"
