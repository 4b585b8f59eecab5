"""The insert of traced reports is in their traces; others cost nothing."""

import pytest

from tests.unit.ugc_etl.builders import BAD, batch, line, record
from tests.unit.ugc_etl.fakes import World
from ugc_core.codec import EVENT_HEADERS
from ugc_core.errors import WarehouseRefusesAllError
from ugc_core.sampling import parse_parent

CONTEXT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACED = (*EVENT_HEADERS, ("traceparent", CONTEXT))


class Inserts:
    """Remembers what was traced, and how it ended."""

    def __init__(self):
        self.begun = []
        self.ended = []

    def start(self, traceparent, route):
        raise NotImplementedError

    def insert(self, links, topic, lines):
        self.begun.append((list(links), topic, lines))
        return self

    def end(self, *, failed):
        self.ended.append(failed)


@pytest.fixture
def inserts() -> Inserts:
    return Inserts()


def delivery(world: World, inserts: Inserts, **changes):
    made = world.delivery(**changes)
    made.tracing = inserts
    return made


async def test_the_insert_of_a_batch_names_its_traced_reports(inserts):
    world = World()
    records = [record(0), record(1, line(1), BAD, headers=TRACED), record(2)]

    await delivery(world, inserts).deliver(batch(*records), None)

    assert inserts.begun == [([parse_parent(CONTEXT)], "views", 4)]
    assert inserts.ended == [False]


async def test_a_batch_without_a_traced_report_is_not_traced(inserts):
    await delivery(World(), inserts).deliver(batch(record(0), record(1)), None)

    assert inserts.begun == []


async def test_an_insert_that_fails_for_good_is_a_failure_in_the_trace(inserts):
    world = World()

    async def refuse(rows, *, token):
        msg = "no"
        raise WarehouseRefusesAllError(msg)

    world.store.insert = refuse

    with pytest.raises(WarehouseRefusesAllError):
        await delivery(world, inserts).deliver(batch(record(0, headers=TRACED)), None)

    assert inserts.ended == [True]
