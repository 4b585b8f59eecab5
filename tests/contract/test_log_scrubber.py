"""What a log promises that can take lines out."""

import pytest


@pytest.mark.guarantee("LOG-17")
async def test_unwanted_lines_are_gone_and_every_other_is_where_it_was(open_embedded_log):
    async with open_embedded_log() as log:
        first = await log.writer.append(b"key", [b"a 1", b"b 2", b"a 3"])
        second = await log.writer.append(b"key", [b"a 4"])
        third = await log.writer.append(b"key", [b"b 5"])

        gone = await log.scrubber.scrub(log.topic, lambda line: line.startswith(b"a"))

        marks = (await log.admin.watermarks(log.topic))[first.partition]
        records = await log.scanner.scan(
            log.topic, first.partition, marks.low, marks.high, max_records=10
        )

    assert gone == 3
    assert [(record.offset, record.value) for record in records] == [
        (first.offset, b"b 2"),
        (third.offset, b"b 5"),
    ]
    assert marks.high == third.offset + 1 > second.offset


@pytest.mark.guarantee("LOG-17")
async def test_scrubbing_stays_done_after_a_restart(open_embedded_log):
    async with open_embedded_log() as log:
        await log.writer.append(b"key", [b"secret"])
        await log.writer.append(b"key", [b"plain"])
        await log.scrubber.scrub(log.topic, lambda line: line == b"secret")

    async with open_embedded_log() as log:
        lines = await log.lines()
        again = await log.scrubber.scrub(log.topic, lambda line: line == b"secret")

    assert [line for found in lines.values() for line in found] == [b"plain"]
    assert again == 0


@pytest.mark.guarantee("LOG-17")
async def test_many_records_are_scrubbed_whole(open_embedded_log):
    async with open_embedded_log() as log:
        for number in range(1203):
            await log.writer.append(b"key %d" % (number % 7), [b"%d" % number])

        gone = await log.scrubber.scrub(log.topic, lambda line: int(line) % 3 == 0)
        lines = await log.lines()

    left = {int(line) for found in lines.values() for line in found}
    assert gone == 401
    assert left == {number for number in range(1203) if number % 3}
