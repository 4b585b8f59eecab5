"""What a log in a file takes away when its retention is over, and what it keeps."""

from contextlib import asynccontextmanager

import pytest

from tests.unit.ugc_core.sqlite_logs import HOUR_S, ONE, append_all, numbered, settle
from ugc_core.adapters.sqlite_log_reader import SqliteLogReader
from ugc_core.adapters.sqlite_log_writer import SqliteLogWriter
from ugc_core.errors import OffsetOutOfRangeError
from ugc_core.log import Commit, Watermarks


async def retain(log, clock):
    """Let the writer look after the retention once: it does so with an append."""
    await clock.sleep(61)
    await log.writer.append(b"viewer", [b"tick"])
    await settle(log)


@asynccontextmanager
async def aged(open_log, clock, *, committed, records=10):
    """Open a log whose records have outlived its retention, and were read up to an offset."""
    async with open_log(retention_hours=1, pack_lines=1) as log:
        await append_all(log, numbered(0, records))
        await log.reader.commit({0: Commit(offset=committed)})
        await clock.sleep(2 * HOUR_S)
        yield log


async def low(log):
    return (await log.admin.watermarks("views"))[0].low


async def test_committed_records_go_when_their_retention_is_over_and_none_before(open_log, clock):
    async with open_log(retention_hours=2, pack_lines=1) as log:
        await append_all(log, numbered(0, 10))
        await clock.sleep(100 * HOUR_S)
        await log.reader.commit({0: Commit(offset=4)})
        await clock.sleep(2 * HOUR_S - 62)
        await retain(log, clock)
        log.reader.seek(0, 0)
        assert await log.lines() == {0: [*numbered(0, 10), b"tick"]}

        await clock.sleep(60)
        await retain(log, clock)

        ends = await log.admin.watermarks("views")
        assert ends == {0: Watermarks(low=4, high=12)}
        log.reader.seek(0, 4)
        assert (await log.lines())[0][:6] == numbered(4, 10)


async def test_reading_below_the_low_mark_is_an_error(open_log, clock):
    async with aged(open_log, clock, committed=4) as log:
        await retain(log, clock)
        log.reader.seek(0, 3)

        with pytest.raises(OffsetOutOfRangeError, match=r"offset 3 .* 4 to 11; records between"):
            await log.reader.poll(max_records=10, timeout_s=0)


async def test_a_new_group_starts_at_the_oldest_record_that_is_left(open_log, clock):
    async with aged(open_log, clock, committed=4) as log:
        await retain(log, clock)

    async with open_log(group="audit") as log:
        assert (await log.lines())[0][:6] == numbered(4, 10)


async def test_offsets_at_never_lies_below_the_low_mark(open_log, clock):
    async with aged(open_log, clock, committed=10) as log:
        await retain(log, clock)

        assert await log.admin.offsets_at("views", 0) == {0: 10}
        assert await log.admin.offsets_at("views", clock.wall_ms() + 1) == {0: 11}


async def test_the_slowest_group_decides_what_may_go(open_log, path, clock):
    async with open_log(retention_hours=1, pack_lines=1) as log:
        await append_all(log, numbered(0, 10))
        async with SqliteLogReader.open(path, "views", "slow", ONE, clock=clock) as slow:
            await slow.commit({0: Commit(offset=2)})
        await log.reader.commit({0: Commit(offset=8)})
        await clock.sleep(2 * HOUR_S)
        await retain(log, clock)

        assert await low(log) == 2


async def test_a_group_that_has_just_begun_holds_everything(open_log, path, clock):
    async with aged(open_log, clock, committed=8) as log:
        async with SqliteLogReader.open(path, "views", "new", ONE, clock=clock) as new:
            await new.commit({0: Commit(offset=0)})
        await retain(log, clock)

        assert await low(log) == 0


async def test_a_group_that_went_back_on_purpose_keeps_what_it_wants_to_read_again(open_log, clock):
    async with open_log(retention_hours=2, pack_lines=1) as log:
        await append_all(log, numbered(0, 10))
        await log.reader.commit({0: Commit(offset=10)})
        await clock.sleep(HOUR_S)
        await log.reader.commit({0: Commit(offset=3)})
        await clock.sleep(2 * HOUR_S)
        await retain(log, clock)

        assert await low(log) == 3


async def test_each_commit_counts_from_its_own_time(open_log, clock):
    async with open_log(retention_hours=3, pack_lines=1) as log:
        await append_all(log, numbered(0, 10))
        for offset in (3, 6, 9):
            await log.reader.commit({0: Commit(offset=offset)})
            await clock.sleep(HOUR_S)
        found = []
        for _ in range(4):
            await retain(log, clock)
            found.append(await low(log))
            await clock.sleep(HOUR_S - 61)

    assert found == [3, 6, 9, 9]


async def test_a_long_backlog_goes_in_steps(open_log, clock):
    async with aged(open_log, clock, committed=2500, records=2500) as log:
        found = []
        for _ in range(2):
            await retain(log, clock)
            found.append(await low(log))

    assert found == [2000, 2500]


async def test_offsets_go_on_after_everything_is_gone(open_log, clock):
    async with open_log(retention_hours=1) as log:
        await log.writer.append(b"viewer", [b"a"])
        await log.reader.commit({0: Commit(offset=1)})
        await clock.sleep(2 * HOUR_S)
        await retain(log, clock)

    async with open_log(retention_hours=1) as log:
        assert (await log.writer.append(b"viewer", [b"b"])).offset == 2
        assert await log.lines() == {0: [b"tick", b"b"]}


async def test_another_topics_records_are_left_alone(open_log, path, clock):
    async with open_log(retention_hours=1) as log:
        async with SqliteLogWriter.open(path, "views.dlq", ONE, clock=clock) as letters:
            await letters.append(b"viewer", [b"dead"])
        await log.writer.append(b"viewer", [b"a"])
        await log.reader.commit({0: Commit(offset=1)})
        await clock.sleep(2 * HOUR_S)
        await retain(log, clock)

        assert await low(log) == 1
        assert await log.admin.watermarks("views.dlq") == {0: Watermarks(low=0, high=1)}
