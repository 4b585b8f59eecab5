"""Whether what was accepted has arrived, judged against a fake warehouse."""

import asyncio
from collections.abc import Iterator, Mapping
from uuid import UUID

import pytest

from ugc_cli.load_testing.arrival import Arrival, ArrivalCheck
from ugc_cli.load_testing.exchanges import ACCEPTED, REFUSED, UNKNOWN, Exchange
from ugc_cli.load_testing.journal import BUCKETS, Journal
from ugc_core.clock import ManualClock
from ugc_core.errors import WarehouseUnavailableError
from ugc_core.warehouse import Answer, Settings

USERS = [UUID(int=1000 + number) for number in range(100)]


class FakeWarehouse:
    """Knows which rows each look finds; the last look repeats."""

    def __init__(self, *looks: list[UUID] | WarehouseUnavailableError) -> None:
        self.looks = list(looks)
        self.asked: list[Mapping[str, object]] = []

    async def read(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Settings | None = None,
    ) -> Answer:
        self.asked.append(parameters or {})
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, WarehouseUnavailableError):
            raise look
        rows = [(event_id,) for event_id in look]
        return Answer(names=("event_id",), types=("UUID",), rows=rows)


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal.temporary() as opened:
        yield opened


def ids(first: int, last: int) -> list[UUID]:
    return [UUID(int=number) for number in range(first, last + 1)]


def note(journal: Journal, found: list[UUID], outcomes: str, viewer: int = 0) -> None:
    texts = [str(event_id) for event_id in found]
    journal.note(Exchange(name="x", viewer=viewer, ms=1, status=202, ids=texts, outcomes=outcomes))


async def check(
    journal: Journal, warehouse: FakeWarehouse, stop: asyncio.Event | None = None
) -> Arrival:
    found = ArrivalCheck(
        journal=journal,
        warehouse=warehouse,  # type: ignore[arg-type]
        users=USERS,
        films=[UUID(int=7)],
        since_ms=0,
        patience_s=10,
        clock=ManualClock(),
        tell=lambda arrived, accepted: None,
    )
    return await found.run(stop or asyncio.Event())


async def test_what_comes_later_is_waited_for(journal):
    note(journal, ids(1, 3), "aaa")

    found = await check(journal, FakeWarehouse([], ids(1, 1), ids(1, 2), ids(1, 3)))

    assert (found.accepted, found.arrived, found.missing, found.lossy) == (3, 3, [], False)


async def test_what_does_not_come_is_named(journal):
    note(journal, ids(1, 3), "aaa")

    found = await check(journal, FakeWarehouse([ids(1, 3)[0], ids(1, 3)[2]]))

    assert found.missing == ids(2, 2)
    assert (found.missing_count, found.lossy) == (1, True)
    assert found.waited_s >= 10


async def test_only_the_first_of_many_are_named(journal):
    note(journal, ids(1, 100), "a" * 100)

    found = await check(journal, FakeWarehouse([]))

    assert (len(found.missing), found.missing_count) == (20, 100)


async def test_a_row_twice_is_doubled_but_for_foreign_ones(journal):
    note(journal, ids(1, 2), "aa")

    found = await check(journal, FakeWarehouse([*ids(1, 2), *ids(2, 2), *ids(9, 9), *ids(9, 9)]))

    assert (found.doubled, found.doubled_count, found.lossy) == (ids(2, 2), 1, True)


async def test_refused_and_unanswered_ones_need_not_arrive(journal):
    note(journal, ids(1, 4), "aruu")

    found = await check(journal, FakeWarehouse(ids(1, 3)))

    assert (found.accepted, found.arrived) == (1, 1)
    assert (found.unknown, found.unknown_arrived, found.lossy) == (2, 1, False)


async def test_a_warehouse_that_does_not_answer_is_no_loss(journal):
    note(journal, ids(1, 2), "aa")

    found = await check(journal, FakeWarehouse(WarehouseUnavailableError("down")))

    assert (found.unreachable, found.lossy) == ("down", False)


async def test_a_warehouse_that_comes_back_is_asked_again(journal):
    note(journal, ids(1, 2), "aa")

    found = await check(journal, FakeWarehouse(WarehouseUnavailableError("down"), ids(1, 2)))

    assert (found.unreachable, found.arrived) == ("", 2)


async def test_a_stop_ends_the_wait_without_a_verdict(journal):
    note(journal, ids(1, 2), "aa")
    stop = asyncio.Event()
    stop.set()

    found = await check(journal, FakeWarehouse([]), stop)

    assert (found.interrupted, found.lossy) == (True, False)


async def test_each_look_asks_for_the_viewers_of_one_bucket_alone(journal):
    for viewer in (3, 3 + BUCKETS, 40):
        note(journal, ids(viewer, viewer), "a", viewer)
    warehouse = FakeWarehouse([*ids(3, 3), *ids(40, 40), *ids(67, 67)])

    await check(journal, warehouse)

    asked = [asked["users"] for asked in warehouse.asked]
    assert asked == [[USERS[3], USERS[67]], [USERS[40]]]


def test_an_id_that_was_ever_accepted_stays_so(journal):
    note(journal, ids(1, 1), "u")
    note(journal, ids(1, 1), "a")
    note(journal, ids(1, 1), "r")
    note(journal, ids(2, 2), "u", viewer=5)
    note(journal, ids(3, 3), "r", viewer=6)

    assert journal.counts() == {ACCEPTED: 1, UNKNOWN: 1, REFUSED: 1}
