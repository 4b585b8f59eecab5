"""Real input: every MovieLens rating through a running system, against plain Python."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kafka_logs import require_kafka

ROOT = Path(__file__).parents[2]


def run_program(*options: str) -> dict[str, str]:
    """Run the program to its end, and return the figures that it prints."""
    run = subprocess.run(
        [sys.executable, "-m", "datasets.movielens", *options],
        cwd=ROOT / "stress-testing",
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return dict(line.split(maxsplit=1) for line in run.stdout.splitlines())


@pytest.mark.timeout(300)
def test_every_number_of_the_movielens_run_equals_plain_python():
    figures = run_program()

    assert figures["accepted"] == figures["stored"] == "100004"
    assert figures["differences"] == "0"


@pytest.mark.timeout(300)
def test_every_number_of_whole_sittings_is_the_oracles_though_the_system_was_killed():
    """The short form of `nox -s movielens -- --sessions`: one kill, thirty films."""
    figures = run_program("--sessions", "--limit", "2500")

    assert figures["kills"] == "1"
    assert int(figures["repeated"]) > 0
    assert figures["reports"] == figures["stored"]
    assert figures["differences"] == "0"


@pytest.mark.timeout(300)
def test_every_number_of_whole_sittings_is_the_oracles_though_a_broker_was_killed():
    """The short form of `nox -s movielens -- --sessions --kafka`: one kill among three."""
    require_kafka()

    figures = run_program("--sessions", "--kafka", "--limit", "1000")

    assert figures["kills"] == "1"
    assert figures["reports"] == figures["stored"]
    assert figures["differences"] == "0"
