"""What `ugc up` keeps and leaves behind, however it and its services end."""

import json
import re
import signal
from functools import partial
from pathlib import Path

import clickhouse_driver
import httpx
import psutil
import pytest

from tests.e2e.curls import curl
from tests.e2e.senders import Journal, load
from tests.e2e.systems import (
    FREE_PORTS,
    SERVICES,
    UGC,
    Running,
    Up,
    until,
)


def journal_is_the_warehouse(journal: Journal, up: Up) -> None:
    """Compare sets of ids: nothing acknowledged is lost, nothing comes from nowhere."""
    stored = up.stored(list(journal.accepted))
    assert len(stored) == len(set(stored))
    assert journal.accepted <= set(stored) <= journal.attempted.keys()
    journal.retry_unknown(up)
    assert set(up.stored(list(journal.attempted))) == journal.attempted.keys()


def accept(journal: Journal, many: int) -> None:
    """Wait until so many reports are accepted."""
    until(lambda: len(journal.accepted) >= many, f"{many} reports are accepted")


def gone(children: dict[str, psutil.Process]) -> bool:
    return not any(
        child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children.values()
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_is_clean_and_keeps_what_was_accepted(start, number):
    journal, first = Journal(), start()
    children = first.children()
    with load(first, journal):
        accept(journal, 300)

        code = first.end(number)

    assert code == 0
    assert gone(children)
    assert children.keys() == set(SERVICES)
    assert first.err.endswith("Stopping …\nStopped.\n")
    assert not (first.data / "run.json").exists()
    journal_is_the_warehouse(journal, start())


def test_killed_under_load_it_takes_its_children_along_and_starts_again_at_once(start):
    journal = Journal()
    running = start()
    for enough in (200, 400, 600):
        children = running.children()
        assert children.keys() == set(SERVICES)
        with load(running, journal):
            accept(journal, enough)

            running.kill()

            running = start(wait=False)  # at once, whatever the children still do
        running.says("}")
        assert gone(children)

    journal_is_the_warehouse(journal, running)


EMPTY = ("views_raw", "playback", "resume_points")


def test_after_an_unclean_stop_the_warehouse_gets_back_what_it_has_lost(start):
    """A power cut that takes rows along cannot be had here: they are removed by hand."""
    journal, first = Journal(), start()
    with load(first, journal):
        accept(journal, 300)
    first.stored(journal.accepted)
    for table in EMPTY:
        first.rows(f"TRUNCATE TABLE {table}")

    first.kill()

    second = start()
    second.says("What the log holds is stored, every report once.")
    journal_is_the_warehouse(journal, second)
    (resumed,) = second.rows("SELECT count() FROM resume_points FINAL")[0]
    assert resumed > 0
    assert second.end() == 0
    assert not (second.data / "unclean").exists()


def test_a_recovery_that_is_cut_short_is_made_up_for_by_the_next_start(start):
    journal, first = Journal(), start()
    with load(first, journal):
        accept(journal, 300)
    first.stored(journal.accepted)
    first.rows("TRUNCATE TABLE views_raw")
    first.kill()
    second = start(wait=False)
    second.says("storing what the log holds once more")
    second.kill()

    third = start()

    third.says("What the log holds is stored, every report once.")
    journal_is_the_warehouse(journal, third)


def test_after_a_clean_stop_nothing_is_stored_again(start):
    journal, first = Journal(), start()
    with load(first, journal):
        accept(journal, 50)
    first.stored(journal.accepted)
    first.rows("TRUNCATE TABLE views_raw")
    assert first.end() == 0

    second = start()

    assert second.end() == 0
    assert "once more" not in second.err


def test_each_service_that_is_killed_under_load_comes_back_and_nothing_is_lost(start):
    journal, running = Journal(), start()
    with load(running, journal):
        for name in (*SERVICES, *SERVICES):
            victim = running.children()[name]

            victim.kill()

            until(partial(is_back, running, name, victim), f"{name} is back")
            accept(journal, len(journal.accepted) + 100)
        assert running.process.poll() is None
    for name in ("chdb-server", "ugc-api", "ugc-etl"):
        assert f"{name} ended (signal 9); starting it again in" in running.err

    journal_is_the_warehouse(journal, running)
    assert running.end() == 0


@pytest.mark.parametrize("name", ["chdb_server", "ugc_etl"])
def test_reports_are_accepted_while_another_service_is_down(start, name):
    """`ugc up` itself is held, so that the service stays down for as long as we look."""
    journal, running = Journal(), start()
    victim = running.children()[name]
    with load(running, journal):
        running.process.send_signal(signal.SIGSTOP)
        try:
            victim.kill()
            until(lambda: gone({name: victim}), f"{name} is down")
            accept(journal, len(journal.accepted) + 200)
        finally:
            running.process.send_signal(signal.SIGCONT)
        until(partial(is_back, running, name, victim), f"{name} is back")
    assert journal.failures == []

    journal_is_the_warehouse(journal, running)


def is_back(running: Up, name: str, victim: psutil.Process) -> bool:
    """Say whether the service runs again, and answers."""
    child = running.children().get(name)
    if child is None or child.pid == victim.pid:
        return False
    try:
        if name == "ugc_api":
            return httpx.get(f"{running.url}/livez").status_code == 200
        return name == "ugc_etl" or running.rows("SELECT 1") == [(1,)]
    except (httpx.TransportError, clickhouse_driver.errors.Error, EOFError):
        return False


def test_an_ephemeral_system_leaves_nothing_behind(tmp_path, keep):
    temporary, folder = tmp_path / "tmp", tmp_path / "work"
    temporary.mkdir()
    arguments = [UGC, "up", "--ephemeral", *FREE_PORTS, "--json"]
    running = keep(Running(arguments=arguments, folder=folder, env={"TMPDIR": str(temporary)}))
    shown = json.loads(running.says("}"))
    assert Path(shown["data"]).parent == temporary
    assert "event_id" in curl(shown["curl"]).json()

    assert running.end(signal.SIGINT) == 0

    assert list(temporary.iterdir()) == []
    assert {path.name for path in folder.iterdir()} == {"stdout.txt", "stderr.txt"}


def test_ctrl_c_at_any_moment_of_the_start_ends_it_cleanly(start):
    for stage in ("nothing", *SERVICES):
        running = start(wait=False)
        running.says("Starting in")
        if stage in SERVICES:
            until(lambda: stage in running.children(), f"{stage} is started")  # noqa: B023 - called here
        children = running.children()

        code = running.end(signal.SIGINT)

        assert code == 0, (stage, running.err)
        assert gone(children), stage
        assert re.fullmatch(r"Starting in .* …\n(Stopping …\n)?Stopped\.\n", running.err)
        assert not (running.data / "run.json").exists()

    assert start().end() == 0
