"""Trying again until it works."""

from collections.abc import Callable

import pytest

from ugc_core.backoff import Backoff
from ugc_core.clock import ManualClock
from ugc_core.errors import (
    LogDamagedError,
    LogUnavailableError,
    PartitionLostError,
    QueryRefusedError,
    RowsRefusedError,
    SchemaMismatchError,
    UgcError,
    WarehouseUnavailableError,
)
from ugc_etl.retry import Retry


class ClockThatRemembers(ManualClock):
    """Keeps the waits it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await super().sleep(seconds)


class Failing:
    """Fails with each of some errors in turn, then answers."""

    def __init__(self, *errors: UgcError) -> None:
        self.errors = [*errors]
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def retry(clock: ManualClock, on_failure: Callable[[UgcError], None] = print) -> Retry:
    backoff = Backoff(first_s=0.1, most_s=10.0)
    return Retry(clock=clock, backoff=backoff, on_failure=on_failure)


async def test_what_works_is_not_repeated(clock):
    action = Failing()

    assert await retry(clock).until_done("it", action) == "done"
    assert (action.calls, clock.now()) == (1, 0.0)


@pytest.mark.parametrize(
    "error",
    [
        WarehouseUnavailableError("down"),
        LogUnavailableError("down"),
        QueryRefusedError("no rights"),
        SchemaMismatchError("no table"),
    ],
)
async def test_what_the_world_can_mend_is_tried_again(clock, error):
    action = Failing(error, error, error)

    assert await retry(clock).until_done("it", action) == "done"
    assert action.calls == 4


@pytest.mark.parametrize(
    "error", [PartitionLostError("gone"), RowsRefusedError("bad"), LogDamagedError("broken")]
)
async def test_what_trying_again_cannot_help_is_raised_at_once(clock, error):
    action = Failing(error)

    with pytest.raises(type(error)):
        await retry(clock).until_done("it", action)

    assert (action.calls, clock.now()) == (1, 0.0)


async def test_waits_double_up_to_a_ceiling_and_are_never_less_than_half_of_it():
    clock = ClockThatRemembers()
    failures = [WarehouseUnavailableError("down")] * 50

    await retry(clock).until_done("it", Failing(*failures))

    ceilings = [min(10.0, 0.1 * 2**n) for n in range(50)]
    assert len(clock.waits) == 50
    for wait, ceiling in zip(clock.waits, ceilings, strict=True):
        assert ceiling / 2 <= wait <= ceiling


async def test_waits_are_not_all_alike():
    clock = ClockThatRemembers()
    failures = [WarehouseUnavailableError("down")] * 30

    await retry(clock).until_done("it", Failing(*failures))

    assert len(set(clock.waits[10:])) > 10


async def test_every_failure_is_told(clock):
    told: list[UgcError] = []
    first, second = WarehouseUnavailableError("one"), LogUnavailableError("two")

    await retry(clock, on_failure=told.append).until_done("it", Failing(first, second))

    assert told == [first, second]
