"""What every log adapter's writer promises (ugc_core/log.py), proved for each of them."""

import asyncio

import pytest

from ugc_core.codec import split_lines
from ugc_core.errors import LogBusyError
from ugc_core.log import Receipt
from ugc_core.partitioner import partition_for


@pytest.mark.guarantee("LOG-1")
async def test_lines_of_one_key_come_back_in_the_order_of_the_calls(open_log):
    async with open_log() as log:
        for n in range(5):
            await log.writer.append(b"viewer", [b"%d" % n])

        [lines] = (await log.lines()).values()

    assert lines == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.guarantee("LOG-1")
async def test_calls_made_at_once_keep_the_order_of_each_key(open_log):
    calls = [(b"key-%d" % (n % 3), b"key-%d:%d" % (n % 3, n)) for n in range(60)]
    async with open_log() as log:
        await asyncio.gather(*(log.writer.append(key, [line]) for key, line in calls))

        found = [line for lines in (await log.lines()).values() for line in lines]

    for key in {key for key, _ in calls}:
        assert [line for line in found if line.startswith(key)] == [
            line for of_key, line in calls if of_key == key
        ]


@pytest.mark.guarantee("LOG-1")
async def test_a_key_goes_where_any_kafka_client_would_send_it(open_log):
    keys = [b"user-%d" % n for n in range(40)]
    async with open_log() as log:
        receipts = [await log.writer.append(key, [b"x"]) for key in keys]

    assert [receipt.partition for receipt in receipts] == [partition_for(key, 4) for key in keys]


@pytest.mark.guarantee("LOG-2")
async def test_acknowledged_lines_are_there_after_a_restart(open_log):
    async with open_log() as log:
        await log.writer.append(b"viewer", [b"a", b"b"])

    async with open_log() as log:
        [lines] = (await log.lines()).values()

    assert lines == [b"a", b"b"]


@pytest.mark.guarantee("LOG-3")
async def test_a_receipt_leads_to_the_lines_of_its_call(open_log):
    calls = [
        (b"key-%d" % (n % 5), [b"%d.%d" % (n, m) for m in range(n % 4 + 1)]) for n in range(40)
    ]
    async with open_log() as log:
        receipts = await asyncio.gather(*(log.writer.append(key, lines) for key, lines in calls))

        found = await log.records()

    kept = {(r.partition, r.offset): r for records in found.values() for r in records}
    for receipt, (key, lines) in zip(receipts, calls, strict=True):
        record = kept[receipt.partition, receipt.offset]
        start = receipt.line
        assert split_lines(record.value)[start : start + len(lines)] == lines
        assert record.key in {key, None}


@pytest.mark.guarantee("LOG-3")
async def test_a_record_of_one_key_carries_the_key_the_headers_and_the_time(open_log, clock):
    async with open_log() as log:
        receipt = await log.writer.append(b"viewer", [b"a", b"b"], headers=(("v", b"1"),))

        [[record]] = (await log.records()).values()

    assert (record.partition, record.offset) == (receipt.partition, receipt.offset)
    assert record.key == b"viewer"
    assert record.value == b"a\nb"
    assert dict(record.headers) == {"v": b"1", "lines": b"2"}
    assert record.timestamp_ms == clock.wall_ms()


@pytest.mark.guarantee("LOG-3")
async def test_calls_with_other_headers_do_not_share_a_record(open_log):
    async with open_log() as log:
        await asyncio.gather(
            log.writer.append(b"viewer", [b"a"], headers=(("v", b"1"),)),
            log.writer.append(b"viewer", [b"b"], headers=(("v", b"2"),)),
        )

        [records] = (await log.records()).values()

    assert [(r.value, dict(r.headers)["v"]) for r in records] == [(b"a", b"1"), (b"b", b"2")]


@pytest.mark.guarantee("LOG-4")
async def test_past_the_bound_an_append_fails_at_once_and_keeps_nothing(open_log):
    async with open_log(max_in_flight=2) as log:
        first, second, third = await asyncio.gather(
            *(log.writer.append(b"viewer", [b"%d" % n]) for n in range(3)), return_exceptions=True
        )
        [lines] = (await log.lines()).values()

        again = await log.writer.append(b"viewer", [b"again"])

    assert isinstance(first, Receipt)
    assert isinstance(second, Receipt)
    assert isinstance(third, LogBusyError)
    assert lines == [b"0", b"1"]
    assert isinstance(again, Receipt)
