"""A steady load appends every report until it is acknowledged, and ends when told."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import count
from uuid import UUID

from harness.acknowledged import Acknowledged
from harness.steady_load import SteadyLoad

from tests.conftest import MakeEvent, OpenMemoryLog
from ugc_core.adapters.memory_log import MemoryLog
from ugc_core.codec import encode_event
from ugc_core.errors import LogUnavailableError
from ugc_core.log import Headers, Receipt
from ugc_core.settings import LogSection

QUICK_PER_S = 1_000_000


def reports(make_event: MakeEvent, numbers: Iterator[int] | range) -> Iterator[tuple[UUID, bytes]]:
    for number in numbers:
        event = make_event(user=number % 5)
        yield event.user_id, encode_event(event)


async def test_every_report_is_in_the_log_once_and_noted(
    tmp_path, make_event: MakeEvent, open_memory_log: OpenMemoryLog
):
    async with open_memory_log(MemoryLog(), LogSection()) as log:
        with Acknowledged(tmp_path / "ids") as into:
            load = SteadyLoad(log.writer, into, per_s=QUICK_PER_S)
            sent = [*reports(make_event, range(50))]
            await load.run(sent)

        kept = [line for lines in (await log.lines()).values() for line in lines]
    assert sorted(kept) == sorted(line for _, line in sent)
    assert (into.count, load.again) == (50, 0)


class FakeWriterThatFails:
    """Refuses every first try of a line."""

    def __init__(self) -> None:
        self.tries: list[bytes] = []

    async def append(self, key: bytes, lines: Sequence[bytes], *, headers: Headers = ()) -> Receipt:
        self.tries += lines
        if self.tries.count(lines[0]) == 1:
            msg = "not now"
            raise LogUnavailableError(msg)
        return Receipt(partition=0, offset=0, line=0)


async def test_a_report_that_is_not_acknowledged_is_appended_again(tmp_path, make_event: MakeEvent):
    writer = FakeWriterThatFails()
    with Acknowledged(tmp_path / "ids") as into:
        load = SteadyLoad(writer, into, per_s=QUICK_PER_S)
        await load.run(reports(make_event, range(3)))

    assert (into.count, load.again, len(writer.tries)) == (3, 3, 6)


async def test_a_load_without_an_end_stops_when_told(
    tmp_path, make_event: MakeEvent, open_memory_log: OpenMemoryLog
):
    async with open_memory_log(MemoryLog(), LogSection()) as log:
        with Acknowledged(tmp_path / "ids") as into:
            load = SteadyLoad(log.writer, into, per_s=500)

            def endless() -> Iterator[tuple[UUID, bytes]]:
                for one in reports(make_event, count()):
                    if into.count >= 3:
                        load.stop()
                    yield one

            async with asyncio.timeout(60):
                await load.run(endless())

        kept = await log.lines()
    assert sum(map(len, kept.values())) == into.count
