"""The recomputation itself, by hand: what the engine is held against."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.recount import advances, recount, seconds
from tests.integration.warehouse_reports import NOW_MS, event


@pytest.mark.parametrize(
    ("watched_from", "progress", "covered"),
    [
        (0.0, 3.0, {0, 1, 2}),
        (0.4, 3.4, {0, 1, 2}),
        (0.5, 3.5, {1, 2, 3}),  # halves up, so that …
        (3.5, 4.5, {4}),  # … the next stretch begins where this one ended
        (2.0, 2.0, set()),
        (2.1, 2.4, set()),
        (58.0, 60.0, {58, 59}),
        (None, 2.9, {2}),
        (None, 0.0, {0}),
        (None, 60.0, {59}),  # nothing lies past the film's last second
    ],
)
def test_a_stretch_covers_whole_seconds_and_a_point_one(watched_from, progress, covered):
    assert seconds(event(watched_from=watched_from, progress=progress, total=60.0)) == covered


@given(st.lists(st.integers(0, 60_000), min_size=2, max_size=9).map(sorted))
def test_neighbouring_stretches_tile(cuts):
    parts = [
        seconds(event(watched_from=start / 1000, progress=end / 1000, total=60.0))
        for start, end in pairwise(cuts)
    ]
    whole = seconds(event(watched_from=cuts[0] / 1000, progress=cuts[-1] / 1000, total=60.0))

    assert sum(map(len, parts)) == len(whole)
    assert set().union(*parts) == whole


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({"watched_from": 100.0}, True),
        ({"watched_from": 120.0}, False),
        ({"watched_from": 100.0, "kind": "pause"}, True),
        ({}, True),
        ({"kind": "pause"}, False),
        ({"kind": "heartbeat"}, False),
    ],
)
def test_a_report_moves_the_playhead_if_it_played_or_is_an_older_clients(changes, moved):
    assert advances(event(**changes)) is moved


def test_the_last_report_decides_then_seq_then_id():
    early = event(viewed_at=NOW_MS - 1, seq=9)
    unnumbered, first, second = event(), event(seq=1, progress=1.0), event(seq=1, progress=2.0)

    [found] = recount([second, early, unnumbered, first]).resume.values()

    assert found[0] == 2000
