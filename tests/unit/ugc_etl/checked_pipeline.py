"""A reader that checks every commit, and what tells how far a pipeline has come."""

import asyncio
from collections.abc import Mapping

from tests.unit.ugc_etl.builders import TOPIC, event, line
from tests.unit.ugc_etl.fakes import PromptReader, World
from ugc_core.log import Commit
from ugc_etl.pipeline import Pipeline

DEADLINE_S = 10


def stored(world: World) -> list[str]:
    return sorted(str(e.event_id) for e in world.store.events)


def ids(*numbers: int) -> list[str]:
    return sorted(str(event(n).event_id) for n in numbers)


class CheckedReader(PromptReader):
    """Knows what is stored, and refuses to commit past anything else."""

    def __init__(self, world: World) -> None:
        super().__init__(world.log, world.clock)
        self.world = world

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        assert_stored_below(self.world, commits)
        await super().commit(commits)


def assert_stored_below(world: World, commits: Mapping[int, Commit]) -> None:
    """Check that every event below a commit is in the store, or among the dead letters."""
    kept = {e.event_id for e in world.store.events}
    dead = {(partition, offset) for _, partition, offset, _ in world.letters.letters}
    for partition, commit in commits.items():
        for record in world.log.records[TOPIC, partition]:
            offset = record.offset
            if offset >= commit.offset:
                break
            numbers = [n for n in range(100) if line(n) in record.value.split(b"\n")]
            assert all(event(n).event_id in kept for n in numbers) or (partition, offset) in dead


def gauge(world: World, name: str) -> float:
    found = world.metrics.registry.get_sample_value(name)
    assert found is not None
    return found


async def finish(pipeline: Pipeline, stop: asyncio.Event) -> None:
    """Let a running pipeline end, within the tests' deadline."""
    stop.set()
    await asyncio.wait_for(pipeline.run(stop), DEADLINE_S)
