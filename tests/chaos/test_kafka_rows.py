"""The rows that concern Kafka in their short form: three real brokers, few reports.

Most of a row's time is waiting, so rows that leave the brokers alone are played side by side.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from chaos.cluster import Cluster
from chaos.kafka_matrix import KAFKA_ROWS
from chaos.matrix import Row
from chaos.trial import Stage, Verdict

pytestmark = pytest.mark.timeout(300)
EVENTS = 80
BREAKING = frozenset({"1", "2", "3", "4"})
"""What is done to the brokers is done to everybody."""
ON_DETOURS = frozenset({"5", "6a", "10"})
"""Their proxies stand at the same ports."""


def named(rows: Sequence[Row]):
    return [pytest.param(row, id=f"row {row.name}") for row in rows]


@pytest.mark.parametrize("row", named([row for row in KAFKA_ROWS if row.name in BREAKING]))
async def test_nothing_is_lost_doubled_or_made_up_though_brokers_fail(
    tmp_path: Path, cluster: Cluster, row: Row
):
    verdict = await row.play(stage(tmp_path, cluster))

    assert verdict.differences == []


@pytest.mark.parametrize("row", named([row for row in KAFKA_ROWS if row.name not in BREAKING]))
def test_nothing_is_lost_doubled_or_made_up_on_kafka(
    side_by_side: Mapping[str, Verdict | Exception], row: Row
):
    outcome = side_by_side[row.name]

    if isinstance(outcome, Exception):
        raise outcome
    assert outcome.differences == []


@pytest.fixture(scope="module")
def side_by_side(
    request: pytest.FixtureRequest, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Verdict | Exception]:
    """What came out of each row that was asked for; three are under way at a time."""
    items = request.session.items
    asked = {
        item.callspec.id
        for item in items
        if isinstance(item, pytest.Function) and "side_by_side" in item.fixturenames
    }
    rows = [row for row in KAFKA_ROWS if f"row {row.name}" in asked]
    others = [row for row in rows if row.name not in ON_DETOURS]
    lanes = [[row for row in rows if row.name in ON_DETOURS], others[::2], others[1::2]]

    async def play(lane: Sequence[Row]) -> dict[str, Verdict | Exception]:
        found: dict[str, Verdict | Exception] = {}
        for row in lane:
            folder = tmp_path_factory.mktemp(f"row-{row.name}")
            try:
                found[row.name] = await row.play(stage(folder, cluster))
            except Exception as error:  # its own test raises it
                found[row.name] = error
        return found

    async def play_all() -> Mapping[str, Verdict | Exception]:
        played = await asyncio.gather(*map(play, lanes))
        return {name: outcome for lane in played for name, outcome in lane.items()}

    return asyncio.run(play_all())


def stage(folder: Path, cluster: Cluster) -> Stage:
    return Stage(folder=folder, events=EVENTS, seed=1, cluster=cluster)
