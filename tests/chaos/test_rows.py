"""The fault matrix in its short form: every row, real processes, one seed, few reports."""

from pathlib import Path

import pytest
from chaos.matrix import ROWS, Row
from chaos.rows.disks import NeedsRootError
from chaos.trial import Stage

EVENTS = 150
RUNS = [
    pytest.param(row, tokens, id=f"row {row.name}{'' if tokens else ' without tokens'}")
    for row in ROWS
    for seed, tokens in row.runs
    if seed == 1
]


@pytest.mark.parametrize(("row", "tokens"), RUNS)
async def test_nothing_is_lost_doubled_or_made_up(tmp_path: Path, row: Row, tokens: bool):
    try:
        verdict = await row.play(Stage(folder=tmp_path, events=EVENTS, seed=1, tokens=tokens))
    except NeedsRootError as error:
        pytest.skip(f"a small file system needs root: {error}")

    assert verdict.differences == []
