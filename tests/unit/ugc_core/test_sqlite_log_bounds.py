"""The bounds and deadlines of a log in a file, and what becomes of calls that meet them."""

import asyncio
from contextlib import closing, contextmanager
from itertools import count

import apsw
import pytest

from tests.unit.ugc_core.sqlite_logs import append_all, numbered, section
from ugc_core.adapters.sqlite_log_reader import SqliteLogReader
from ugc_core.codec import split_lines
from ugc_core.errors import LogBusyError, LogUnavailableError
from ugc_core.log import Commit, Receipt
from ugc_core.partitioner import partition_for


async def test_calls_made_at_once_share_records(open_log):
    async with open_log() as log:
        receipts = await append_all(log, numbered(0, 100))

        records = (await log.records())[0]

    assert len(records) < 10
    assert sum(int(dict(record.headers)["lines"]) for record in records) == 100
    assert len(set(receipts)) == 100


async def test_no_record_that_calls_share_exceeds_its_bounds(open_log):
    async with open_log(pack_lines=8, pack_bytes=1000) as log:
        await append_all(log, numbered(0, 100))
        await append_all(log, [b"x" * 300 for _ in range(10)])

        records = (await log.records())[0]

    assert max(len(split_lines(record.value)) for record in records) == 8
    assert max(len(record.value) for record in records) <= 1000


async def test_past_the_bound_an_append_is_refused_until_others_are_done(open_log):
    async with open_log(max_in_flight=10) as log:
        results = await asyncio.gather(
            *(log.writer.append(b"viewer", [b"%d" % n]) for n in range(25)), return_exceptions=True
        )
        await append_all(log, numbered(25, 35))
        lines = (await log.lines())[0]

    refused = [result for result in results if isinstance(result, LogBusyError)]
    assert len(refused) == 15
    assert "10 appends are under way already" in str(refused[0])
    assert lines == numbered(0, 10) + numbered(25, 35)


@contextmanager
def write_lock(path):
    """Hold the file's write lock, as a process that hangs in a transaction would."""
    with closing(apsw.Connection(str(path))) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


async def test_an_append_has_a_deadline_while_another_holds_the_write_lock(open_log, path):
    async with open_log(append_timeout_s=1) as log:
        await log.writer.append(b"viewer", [b"before"])
        with write_lock(path):
            with pytest.raises(LogUnavailableError):
                await log.writer.append(b"viewer", [b"during"])
            assert await log.lines() == {0: [b"before"]}

        await log.writer.append(b"viewer", [b"after"])

        assert (await log.lines())[0][-1] == b"after"


async def test_a_commit_has_a_deadline_while_another_holds_the_write_lock(open_log, path):
    async with open_log(call_timeout_s=1) as log:
        with write_lock(path), pytest.raises(LogUnavailableError):
            await log.reader.commit({0: Commit(offset=0)})

        assert await log.reader.committed(frozenset({0})) == {}


async def test_a_log_can_be_opened_and_read_while_another_holds_the_write_lock(open_log, path):
    async with open_log() as log:
        await log.writer.append(b"viewer", [b"a"])
    with write_lock(path):
        async with SqliteLogReader.open(path, "views", "g", section(call_timeout_s=5)) as reader:
            [[record]] = (await reader.poll(max_records=10, timeout_s=0)).values()

    assert record.value == b"a"


async def test_closing_finishes_what_is_under_way_and_what_waits_behind_it(open_log, path):
    async with open_log() as log:
        with write_lock(path):
            appends = [asyncio.create_task(log.writer.append(b"viewer", [b"0"]))]
            for _ in range(3):
                await asyncio.sleep(0)  # now the first one is on its way
            appends += [
                asyncio.create_task(log.writer.append(b"viewer", [line]))
                for line in numbered(1, 50)
            ]
            await asyncio.sleep(0)

    receipts = await asyncio.gather(*appends)
    async with open_log() as log:
        assert await log.lines() == {0: numbered(0, 50)}
    assert len(set(receipts)) == 50


async def test_an_append_that_nobody_waits_for_any_more_costs_the_others_nothing(open_log):
    async with open_log(max_in_flight=3) as log:
        appends = [
            asyncio.create_task(log.writer.append(b"viewer", [line])) for line in numbered(0, 3)
        ]
        await asyncio.sleep(0)
        appends[1].cancel()
        results = await asyncio.gather(*appends, return_exceptions=True)
        await append_all(log, numbered(3, 6))

        lines = (await log.lines())[0]

    assert [type(result) for result in results] == [Receipt, asyncio.CancelledError, Receipt]
    assert [line for line in lines if line != b"1"] == [b"0", b"2", b"3", b"4", b"5"]


async def test_a_poll_returns_about_eight_megabytes_and_always_a_record(open_log):
    async with open_log() as log:
        for _ in range(2):
            await log.writer.append(b"viewer", [b"x" * 9_000_000])

        first = await log.reader.poll(max_records=10, timeout_s=0)
        second = await log.reader.poll(max_records=10, timeout_s=0)

    assert [len(found[0]) for found in (first, second)] == [1, 1]


async def test_a_busy_partition_does_not_starve_another(open_log):
    keys = [next(b"%d" % n for n in count() if partition_for(b"%d" % n, 3) == p) for p in range(3)]
    async with open_log(partitions=3) as log:
        for key in keys:
            await append_all(log, numbered(0, 3), key=key)
            await log.writer.append(key, [b"more"])

        seen = [set(await log.reader.poll(max_records=1, timeout_s=0)) for _ in range(3)]

    assert set.union(*seen) == {0, 1, 2}
