"""`ugc load-test` against a real system: what it sends arrives, and what does not is named."""

import json
import re
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

import pytest

from tests.e2e.systems import UGC, Running, Up, start_up, ugc, until

# Not `importorskip`: an import of Locust patches the standard library of this whole process.
pytestmark = pytest.mark.skipif(
    find_spec("locust") is None, reason="needs Locust: pip install 'ugc-cli[load-test]'"
)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A system whose rows these tests may delete."""
    running = start_up(tmp_path_factory.mktemp("load") / "data")
    try:
        running.says("}")
        yield running
    finally:
        running.end()


def begin(up: Up, folder: Path, *words: str) -> Running:
    arguments = [UGC, "load-test", "--data", str(up.data), *words]
    return Running(arguments=arguments, folder=folder)


def ids(up: Up) -> set[UUID]:
    return {row[0] for row in up.rows("SELECT event_id FROM views")}


def test_everything_that_was_accepted_arrives_and_is_told(own, tmp_path):
    scenario = tmp_path / "mix.toml"
    scenario.write_text('name = "mix"\nfilm_s = 60\n[weights]\nheartbeat = 10\n')
    words = ("--users", "8", "--rate", "60", "--duration", "3s")
    report, made = tmp_path / "report.html", ("--scenario", str(scenario))

    told = ("--report", str(report), "--data", str(own.data), "--json")
    ended = ugc("load-test", *words, *made, *told, cwd=tmp_path)

    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    names = {"start", "heartbeat", "batch", "stop", "seek", "retry", "resume"}
    assert set(found["by_request"]) == names
    accepted = found["reports"]["accepted"]
    assert found["reports"] == {"accepted": accepted, "refused": 0, "unknown": 0}
    assert (found["arrival"]["accepted"], found["arrival"]["arrived"]) == (accepted, accepted)
    assert (found["errors"], found["scenario"], found["users"]) == (0, "mix", 8)
    assert own.rows("SELECT count(), uniqExact(event_id) FROM views") == [(accepted, accepted)]
    assert re.search(r"^ +1 of 3 s +\d+ requests/s", ended.err, re.MULTILINE)
    assert f"Good: all {accepted} accepted reports are stored, once" in ended.err
    assert "<html" in report.read_text("utf-8")


def test_a_lost_report_ends_with_3_and_is_named(own, keep, tmp_path):
    scenario = tmp_path / "once.toml"
    scenario.write_text("[weights]\nretry = 0\n")  # a retry would store it again
    words = ("--users", "4", "--rate", "20", "--duration", "4s", "--wait", "4")
    before = ids(own)
    running = keep(begin(own, tmp_path, *words, "--scenario", str(scenario)))
    lost = until(lambda: ids(own) - before, "a report of this test is stored").pop()

    own.rows(f"DELETE FROM views_raw WHERE event_id = '{lost}'")

    assert running.process.wait(60) == 3, running.err
    assert f"missing    {lost}" in running.err
    assert "NOT GOOD: 1 of" in running.err


def test_ctrl_c_ends_the_load_and_still_checks_though_the_api_has_died(own, keep, tmp_path):
    running = keep(begin(own, tmp_path, "--users", "4", "--rate", "20", "--duration", "10m"))
    running.says("2 of 600 s", within_s=60)
    own.children()["ugc_api"].kill()
    until(lambda: re.search(r" [1-9]\d* errors", running.err), "the load has met errors")

    code = running.end(signal.SIGINT)

    assert code == 0, running.err
    assert "Good: all" in running.err
    assert "ended early" in running.out
    assert re.search(r"^error +\d+ x no answer", running.out, re.MULTILINE)
    assert all(len(line) <= 80 for line in running.out.splitlines())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["http://192.0.2.1:8000"], 2, "is another machine"),
        (["--scenario", "nowhere.toml"], 1, "nowhere.toml"),
        (["http://127.0.0.1:9"], 4, "takes no reports"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(own, tmp_path, words, code, said):
    ended = ugc("load-test", *words, "--data", str(own.data), cwd=tmp_path)

    assert ended.code == code, ended.err
    assert said in " ".join(re.sub(r"[│╭╰╮╯─]", "", ended.err).split())
