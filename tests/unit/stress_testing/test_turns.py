"""Processes that take turns stand still in between, and run on afterwards."""

import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest
from harness.turns import turns

DEADLINE_S = 60


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    found = [subprocess.Popen(["sleep", "600"]) for _ in range(2)]
    yield found
    for process in found:
        process.kill()
        process.wait()


@pytest.fixture
def sleepers(children) -> list[psutil.Process]:
    return [psutil.Process(child.pid) for child in children]


def seen(process: psutil.Process, status: str) -> bool:
    """Wait until a process is seen to be so."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        if process.status() == status:
            return True
    return False


def test_each_stands_and_runs_by_turns_and_all_run_at_the_end(sleepers):
    with turns(sleepers, share=0.3):
        by_turns = [seen(one, status) for one in sleepers for status in ("stopped", "sleeping")]
    after = [one.status() for one in sleepers]

    assert all(by_turns)
    assert "stopped" not in after


def test_without_a_share_nobody_is_stopped(sleepers):
    with turns(sleepers, share=None):
        assert "stopped" not in [one.status() for one in sleepers]


def test_more_than_the_whole_time_is_refused(sleepers):
    with pytest.raises(ValueError, match="2 processes cannot have 60%"), turns(sleepers, share=0.6):
        pass


def test_one_that_ends_on_its_way_spoils_nothing(children, sleepers):
    with turns(sleepers, share=0.3):
        children[0].kill()
        children[0].wait()
        assert seen(sleepers[1], "stopped")
    assert sleepers[1].status() != "stopped"
