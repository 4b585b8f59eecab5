"""Whatever happens in whatever order, every line is stored or dead and the ledger tiles."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.ugc_etl.builders import BAD, TOPIC, event, line
from tests.unit.ugc_etl.checked_pipeline import CheckedReader, finish, ids, stored
from tests.unit.ugc_etl.fakes import ChoosyStore, World, assert_tiled, step_until
from ugc_etl.pipeline import Pipeline

plans = st.lists(
    st.sampled_from(["append", "append bad", "append disliked", "step", "kill", "stop", "grow"]),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(plans, st.integers(1, 4))
def test_whatever_happens_every_line_is_stored_or_dead_and_the_ledger_tiles(plan, max_rows):
    asyncio.run(follow(plan, max_rows))


class Story:
    """A world in which things happen by a plan, and the process that works in it, if any."""

    def __init__(self, plan: list[str], max_rows: int) -> None:
        self.disliked = [n for n, action in enumerate(plan) if action == "append disliked"]
        self.world = World(store=ChoosyStore(*(event(n).event_id for n in self.disliked)))
        self.max_rows = max_rows
        self.pipeline: Pipeline | None = None

    async def follow(self, action: str, number: int) -> None:
        """Let one thing happen."""
        partitions = len(self.world.log.partitions(TOPIC))
        match action:
            case "append" | "append disliked":
                self.world.append(line(number), partition=number % partitions)
            case "append bad":
                self.world.append(BAD, line(number), partition=number % partitions)
            case "grow":
                self.world.grow(min(partitions + 1, 4))
            case "step":
                self.pipeline = self.pipeline or self.process()
                await self.pipeline.step()
            case "kill" if self.pipeline:
                await self.pipeline._cancel([*self.pipeline._lines.values()])
                self.pipeline = None
            case "stop" if self.pipeline:
                await finish(self.pipeline, asyncio.Event())
                self.pipeline = None

    def process(self) -> Pipeline:
        """Return a process that starts anew."""
        return self.world.pipeline(CheckedReader(self.world), max_rows=self.max_rows)


async def follow(plan: list[str], max_rows: int) -> None:
    story = Story(plan, max_rows)
    for number, action in enumerate(plan):
        await story.follow(action, number)
    await story.follow("kill", len(plan))
    await step_until(story.process(), lambda: story.world.caught_up)

    good = [n for n, action in enumerate(plan) if action in {"append", "append bad"}]
    assert stored(story.world) == ids(*good)
    assert len(story.world.letters.letters) == plan.count("append bad") + len(story.disliked)
    for partition in story.world.log.partitions(TOPIC):
        assert_tiled(story.world, partition)
