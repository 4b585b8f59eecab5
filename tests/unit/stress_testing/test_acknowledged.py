"""Ids of acknowledged reports are compared with those that are stored, a part at a time."""

from collections.abc import Mapping
from uuid import UUID

import pytest
from harness.acknowledged import Acknowledged, Verdict

from tests.conftest import MakeEvent
from ugc_core.codec import encode_event
from ugc_core.warehouse import Answer

HIDDEN = 2


class FakeViews:
    """Answers what the comparison asks, out of a list of ids."""

    def __init__(self, ids: list[UUID]) -> None:
        self._ids = ids

    async def read(self, sql: str, parameters: Mapping[str, object] | None = None) -> Answer:
        if parameters is None:
            return Answer(names=("hidden",), types=("Int64",), rows=[(HIDDEN,)])
        digit = str(parameters["digit"])
        rows = [(one,) for one in self._ids if str(one).endswith(digit)]
        return Answer(names=("event_id",), types=("UUID",), rows=rows)


async def test_ids_that_are_all_there_once_are_exact(tmp_path, make_event: MakeEvent):
    events = [make_event() for _ in range(40)]
    with Acknowledged(tmp_path / "ids") as into:
        for event in events:
            into.add(encode_event(event))
        found = await into.compare(FakeViews([event.event_id for event in events]))

    assert found == Verdict(acknowledged=40, stored=40, hidden=HIDDEN)
    assert found.exact


@pytest.mark.parametrize(
    ("stored", "wrong"),
    [
        (lambda ids: ids[1:], {"missing": 1, "stored": 39}),
        (lambda ids: [*ids, UUID(int=5)], {"foreign": 1, "stored": 41}),
        (lambda ids: [*ids, ids[7]], {"twice": 1, "stored": 41}),
        (lambda ids: [*ids[1:], UUID(int=5)], {"missing": 1, "foreign": 1, "stored": 40}),
    ],
)
async def test_one_id_that_is_wrong_is_found(tmp_path, make_event: MakeEvent, stored, wrong):
    events = [make_event() for _ in range(40)]
    with Acknowledged(tmp_path / "ids") as into:
        for event in events:
            into.add(encode_event(event))
        found = await into.compare(FakeViews(stored([event.event_id for event in events])))

    assert found == Verdict(**{"acknowledged": 40, "stored": 40, "hidden": HIDDEN, **wrong})
    assert not found.exact


async def test_ids_are_compared_again_after_more_have_come(tmp_path, make_event: MakeEvent):
    first, second = make_event(), make_event()
    with Acknowledged(tmp_path / "ids") as into:
        into.add(encode_event(first))
        before = await into.compare(FakeViews([first.event_id]))
        into.add(encode_event(second))
        after = await into.compare(FakeViews([first.event_id]))

    assert (before.missing, after.missing) == (0, 1)
