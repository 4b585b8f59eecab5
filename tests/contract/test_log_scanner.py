"""What every log promises to whoever reads a part of it again."""

import pytest

from ugc_core.errors import LogUnavailableError, OffsetOutOfRangeError
from ugc_core.log import Commit


async def fill(log, count: int) -> tuple[int, list[int]]:
    """Append records of one key; return their partition and offsets."""
    receipts = [await log.writer.append(b"key", [b"%d" % n]) for n in range(count)]
    return receipts[0].partition, [receipt.offset for receipt in receipts]


@pytest.mark.guarantee("LOG-15")
async def test_a_range_comes_whole_once_and_in_order_however_few_at_a_time(open_log):
    async with open_log() as log:
        partition, offsets = await fill(log, 5)
        start, end = offsets[1], offsets[4]

        values = []
        while records := await log.scanner.scan(log.topic, partition, start, end, max_records=2):
            values += [record.value for record in records]
            start = records[-1].offset + 1

    assert values == [b"1", b"2", b"3"]


@pytest.mark.guarantee("LOG-15")
async def test_scanning_moves_no_group(open_log):
    async with open_log() as log:
        partition, offsets = await fill(log, 3)
        await log.reader.commit({partition: Commit(offset=offsets[1])})
        await log.scanner.scan(log.topic, partition, 0, offsets[2] + 1, max_records=10)

        committed = await log.reader.committed(frozenset({partition}))

    async with open_log() as log:
        lines = await log.lines()

    assert committed == {partition: Commit(offset=offsets[1])}
    assert lines == {partition: [b"1", b"2"]}


@pytest.mark.guarantee("LOG-15")
async def test_an_empty_range_has_no_records(open_log):
    async with open_log() as log:
        partition, offsets = await fill(log, 1)

        end = offsets[0] + 1
        assert list(await log.scanner.scan(log.topic, partition, end, end, max_records=10)) == []


@pytest.mark.guarantee("LOG-16")
@pytest.mark.parametrize(("start", "end"), [(0, 4), (4, 5), (2, 1)])
async def test_a_range_that_is_not_all_written_is_an_error(open_log, start, end):
    async with open_log() as log:
        partition, _ = await fill(log, 3)

        with pytest.raises(OffsetOutOfRangeError, match="holds 0 to 3"):
            await log.scanner.scan(log.topic, partition, start, end, max_records=10)


@pytest.mark.guarantee("LOG-16")
async def test_a_topic_that_does_not_exist_is_an_error(open_log):
    async with open_log() as log:
        with pytest.raises((OffsetOutOfRangeError, LogUnavailableError)):
            await log.scanner.scan("nowhere", 0, 0, 1, max_records=10)
