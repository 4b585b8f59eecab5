"""What a load test's viewers send, and what they make of the answers."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ugc_cli.load_testing.judging import judge
from ugc_cli.load_testing.scenario import Scenario, Weights
from ugc_cli.load_testing.viewing import Turn, Viewer
from ugc_core.acceptance import Viewer as Owner
from ugc_core.acceptance import Window, accept, parse_report

NOW_MS = 1_767_225_600_000


def viewer(scenario: Scenario | None = None, seed: int = 1) -> Viewer:
    return Viewer(scenario=scenario or Scenario(), choice=Random(seed), wall_ms=lambda: NOW_MS)


def sent(turns: Sequence[Turn]) -> list[Mapping[str, object]]:
    """Return the distinct reports, in order."""
    reports = [report for turn in turns for report in turn.reports]
    return list({str(report["event_id"]): report for report in reports}.values())


@given(st.integers(0, 10_000), st.integers(1, 60))
def test_stretches_of_a_session_tile_but_for_seeks(seed: int, heartbeat_s: int):
    playing = viewer(Scenario(heartbeat_s=float(heartbeat_s), film_s=900), seed)
    reports = sent([playing.next() for _ in range(200)])

    for before, after in pairwise(reports):
        if after["session_id"] != before["session_id"]:
            assert (after["kind"], after["seq"], after["progress"]) == ("start", 0, 0.0)
        else:
            assert after["seq"] == int(str(before["seq"])) + 1
            assert before["kind"] == "seek" or after["watched_from"] == before["progress"]


@given(st.integers(0, 10_000))
def test_the_api_takes_every_report(seed: int):
    playing = viewer(Scenario(film_s=300), seed)
    owner = Owner(user_id=UUID(int=1))
    for report in sent([playing.next() for _ in range(50)]):
        parsed = parse_report(json.dumps(report).encode())

        event = accept(parsed, owner, film_id=None, received_ms=NOW_MS, window=Window())

        assert str(event.event_id) == report["event_id"]


def test_a_retry_repeats_the_same_ids():
    playing = viewer(Scenario(weights=Weights(heartbeat=0, batch=0, stop=0, seek=0, resume=0)))

    first, second, third = (playing.next() for _ in range(3))

    assert (first.name, second.name, third.name) == ("start", "retry", "retry")
    assert first.body == second.body == third.body


def test_what_failed_is_sent_again_before_anything_else():
    playing = viewer()
    first = playing.next()
    playing.keep(first.reports)

    again, after = playing.next(), playing.next()

    assert (again.name, again.path, again.ids) == ("again", "/api/v1/progresses/", first.ids)
    assert not set(after.ids) & set(first.ids) or after.name == "retry"


def test_a_batch_reports_the_past():
    playing = viewer(Scenario(batch_size=3, weights=_only(batch=1)))
    playing.next()

    times = [report["viewed_at"] for report in playing.next().reports]

    assert times == [NOW_MS - 20_000, NOW_MS - 10_000, NOW_MS]


def test_a_film_ends():
    playing = viewer(Scenario(film_s=60, batch_size=500, weights=_only(batch=1)))
    playing.next()

    batch, start = playing.next(), playing.next()

    assert [report["progress"] for report in batch.reports] == [10, 20, 30, 40, 50, 60]
    assert start.name == "start"


def _only(**weights: int) -> Weights:
    zero = dict.fromkeys(Weights.__struct_fields__, 0)
    return Weights(**(zero | weights))


SINGLE = Turn(name="heartbeat", path="/", reports=({"event_id": "1"},), single=True)
BATCH = Turn(name="batch", path="/", reports=({"event_id": "1"}, {"event_id": "2"}))
READ = Turn(name="resume", path="/")


@pytest.mark.parametrize(
    ("turn", "status", "body", "outcomes", "error"),
    [
        (SINGLE, 202, b"{}", "a", ""),
        (SINGLE, 0, b"", "u", "no answer"),
        (SINGLE, 503, b'{"title": "Too many"}', "u", "503 Too many"),
        (SINGLE, 500, b"not json", "u", "500"),
        (SINGLE, 422, b'{"title": "A bound"}', "r", "422 A bound"),
        (SINGLE, 401, b"", "r", "401"),
        (BATCH, 429, b"", "uu", "429"),
        (
            BATCH,
            202,
            b'{"items": [{"status": "accepted"}, {"status": "duplicate"}]}',
            "aa",
            "",
        ),
        (
            BATCH,
            202,
            b'{"items": [{"status": "refused", "problem": {"title": "T"}},{"status":"accepted"}]}',
            "ra",
            "refused: T",
        ),
        (BATCH, 202, b'{"items": []}', "uu", "202 without a verdict for each report"),
        (BATCH, 202, b"nonsense", "uu", "202 without a verdict for each report"),
        (READ, 200, b"{}", "", ""),
        (READ, 404, b"{}", "", ""),
        (READ, 503, b"{}", "", "503"),
    ],
)
def test_an_answer_decides_what_became_of_each_report(turn, status, body, outcomes, error):
    found = judge(turn, status, body)

    assert (found.outcomes, found.error) == (outcomes, error)
