"""What a drained backlog took: when it began, and what each pipeline had."""

import json
from datetime import UTC, datetime

import pytest
from harness.drain import UnevenError, shared_out

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def said(*partitions: list[int]) -> str:
    words = [
        {"event": "partitions_taken", "timestamp": "2026-01-01T00:00:00Z", "partitions": some}
        for some in partitions
    ]
    other = json.dumps({"event": "stopped", "timestamp": "2026-01-01T00:00:01Z"})
    return "\n".join(["a warning of a library", other, *map(json.dumps, words)])


def test_partitions_that_are_shared_out_once_are_told_apart():
    first, second = shared_out([said([0, 2]), said([1, 3])], 4)

    assert [sorted(one.partitions) for one in (first, second)] == [[0, 2], [1, 3]]
    assert first.at == BEGAN


@pytest.mark.parametrize("one", [said([0, 1, 2, 3], [0, 1]), said([0, 1, 2]), said()])
def test_partitions_that_move_or_are_unequal_are_refused(one):
    with pytest.raises(UnevenError, match="4 partitions went to 2 pipelines"):
        shared_out([one, said([2, 3])], 4)
