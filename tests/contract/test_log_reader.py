"""What every log adapter's reader promises (ugc_core/log.py), proved for each of them."""

import asyncio

import pytest

from tests.contract.partition_keys import KEYS
from ugc_core.errors import OffsetOutOfRangeError
from ugc_core.log import Commit, Topic
from ugc_core.partitioner import partition_for

HOUR_MS = 3_600_000


@pytest.mark.guarantee("LOG-5")
async def test_without_a_commit_reading_starts_at_the_oldest_record(open_log):
    async with open_log() as log:
        await log.writer.append(b"viewer", [b"a"])
        await log.lines()

    async with open_log() as log:
        [lines] = (await log.lines()).values()

    assert lines == [b"a"]


@pytest.mark.guarantee("LOG-5")
async def test_after_a_restart_reading_resumes_at_the_last_commit(open_log):
    async with open_log() as log:
        receipts = [await log.writer.append(b"viewer", [b"%d" % n]) for n in range(3)]
        await log.lines()
        await log.reader.commit({receipts[1].partition: Commit(offset=receipts[1].offset)})

    async with open_log() as log:
        [lines] = (await log.lines()).values()

    assert lines == [b"1", b"2"]


@pytest.mark.guarantee("LOG-5")
async def test_groups_do_not_share_a_position(open_log):
    async with open_log() as log:
        receipt = await log.writer.append(b"viewer", [b"a"])
        await log.reader.commit({receipt.partition: Commit(offset=receipt.offset + 1)})

    async with open_log(group="audit") as log:
        [lines] = (await log.lines()).values()

    assert lines == [b"a"]


@pytest.mark.guarantee("LOG-6")
@pytest.mark.parametrize("at_once", [1, 3, 100])
async def test_every_record_comes_once_and_in_order(open_log, at_once):
    async with open_log() as log:
        for n in range(20):
            await log.writer.append(KEYS[n % 4], [b"%d" % n])

        found = await log.lines(at_once=at_once)

    assert found == {
        partition: [b"%d" % n for n in range(partition, 20, 4)] for partition in range(4)
    }


@pytest.mark.guarantee("LOG-6")
async def test_a_poll_returns_no_more_than_it_was_asked_for(open_log):
    async with open_log() as log:
        for key in KEYS * 3:
            await log.writer.append(key, [b"x"])

        found = await log.reader.poll(max_records=5, timeout_s=0)

    assert 1 <= sum(map(len, found.values())) <= 5


@pytest.mark.guarantee("LOG-6")
async def test_a_poll_that_fails_for_one_partition_takes_nothing_from_another(open_log):
    async with open_log() as log:
        for key in KEYS:
            await log.writer.append(key, [key])
        log.reader.seek(3, 99)
        with pytest.raises(OffsetOutOfRangeError):
            await log.reader.poll(max_records=10, timeout_s=0)
        log.reader.seek(3, 0)
        found = await log.lines()

    assert found == {partition: [key] for partition, key in enumerate(KEYS)}


@pytest.mark.guarantee("LOG-6")
async def test_a_poll_wakes_up_for_a_record_that_is_appended_later(open_log):
    async with open_log() as log:
        polled = asyncio.create_task(log.reader.poll(max_records=10, timeout_s=1_000_000))
        await log.writer.append(b"viewer", [b"a"])

        [[record]] = (await polled).values()

    assert record.value == b"a"


@pytest.mark.guarantee("LOG-6")
async def test_a_poll_that_finds_nothing_is_empty(open_log):
    async with open_log() as log:
        assert not await log.reader.poll(max_records=10, timeout_s=0.01)
        assert log.reader.assigned() == {0, 1, 2, 3}


@pytest.mark.guarantee("LOG-7")
async def test_a_paused_partition_hands_out_nothing_and_stays_assigned(open_log):
    async with open_log() as log:
        for key in KEYS:
            await log.writer.append(key, [key])
        log.reader.pause(frozenset({1, 2}))

        found = await log.lines()
        again = await log.lines()

        assert found == {0: [KEYS[0]], 3: [KEYS[3]]}
        assert again == {}
        assert log.reader.assigned() == {0, 1, 2, 3}


@pytest.mark.guarantee("LOG-7")
async def test_a_resumed_partition_goes_on_where_it_was_paused(open_log):
    async with open_log() as log:
        await log.writer.append(KEYS[1], [b"before"])
        await log.lines()
        log.reader.pause(frozenset({1}))
        await log.writer.append(KEYS[1], [b"while"])
        assert await log.lines() == {}
        log.reader.resume(frozenset({1}))
        await log.writer.append(KEYS[1], [b"after"])

        assert await log.lines() == {1: [b"while", b"after"]}


@pytest.mark.guarantee("LOG-7")
async def test_another_partition_goes_on_while_one_is_paused(open_log):
    async with open_log() as log:
        log.reader.pause(frozenset({1}))
        await log.writer.append(KEYS[1], [b"held"])
        await log.writer.append(KEYS[0], [b"a"])
        assert await log.lines() == {0: [b"a"]}
        await log.writer.append(KEYS[0], [b"b"])

        assert await log.lines() == {0: [b"b"]}


@pytest.mark.guarantee("LOG-8")
async def test_the_next_poll_after_a_seek_starts_there(open_log):
    async with open_log() as log:
        receipts = [await log.writer.append(KEYS[2], [b"%d" % n]) for n in range(3)]
        await log.lines()

        log.reader.seek(2, receipts[1].offset)

        assert await log.lines() == {2: [b"1", b"2"]}


@pytest.mark.guarantee("LOG-8")
async def test_a_seek_before_the_first_poll_wins_over_the_commit(open_log):
    async with open_log() as log:
        receipts = [await log.writer.append(KEYS[2], [b"%d" % n]) for n in range(3)]
        await log.reader.commit({2: Commit(offset=receipts[2].offset + 1)})

    async with open_log() as log:
        log.reader.seek(2, receipts[1].offset)

        assert await log.lines() == {2: [b"1", b"2"]}


@pytest.mark.guarantee("LOG-8")
async def test_a_seek_to_the_end_waits_for_what_comes(open_log):
    async with open_log() as log:
        await log.writer.append(KEYS[2], [b"a"])
        end = (await log.admin.watermarks(log.topic))[2].high
        log.reader.seek(2, end)
        assert await log.lines() == {}
        await log.writer.append(KEYS[2], [b"b"])

        assert await log.lines() == {2: [b"b"]}


@pytest.mark.guarantee("LOG-8")
async def test_a_position_that_is_not_in_the_log_is_an_error_until_the_next_seek(open_log):
    async with open_log() as log:
        receipt = await log.writer.append(KEYS[2], [b"a"])
        log.reader.seek(2, receipt.offset + 2)

        for _ in range(2):
            with pytest.raises(
                OffsetOutOfRangeError, match=rf"{log.topic}\[2\]: offset 2 .* 0 to 1"
            ):
                await log.reader.poll(max_records=10, timeout_s=0)
        log.reader.seek(2, receipt.offset)

        assert await log.lines() == {2: [b"a"]}


@pytest.mark.guarantee("LOG-9")
async def test_partitions_added_later_are_read_from_their_beginning_without_a_restart(open_log):
    key = next(b"%d" % n for n in range(1000) if partition_for(b"%d" % n, 8) == 6)
    async with open_log() as log:
        grown = [Topic(name=log.topic, partitions=8, retention_ms=HOUR_MS)]
        await log.lines()
        await log.admin.apply(await log.admin.plan(grown))
        # The first may still go by the old number, as with any producer's metadata.
        receipts = [await log.writer.append(key, [b"%d" % n]) for n in range(3)]

        found = await log.lines()

        assert [receipt.partition for receipt in receipts[1:]] == [6, 6]
        assert found[6][-2:] == [b"1", b"2"]
        assert log.reader.assigned() == frozenset(range(8))
