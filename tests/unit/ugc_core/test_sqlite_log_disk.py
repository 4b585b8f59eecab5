"""A log on a disk that is full, fails or hangs: what it refuses, and what it keeps."""

import asyncio
import gc
import resource
import threading
from itertools import count

import apsw
import pytest

from tests.unit.ugc_core.sqlite_logs import HOUR_S, NEXT_STEP, ONE, numbered, settle
from ugc_core.adapters.sqlite_log_admin import SqliteLogAdmin
from ugc_core.errors import LogDamagedError, LogUnavailableError
from ugc_core.log import Commit, Receipt


class Disk(apsw.VFS):
    """The real file system with faults on demand."""

    def __init__(self):
        self.full = False
        self.syncs_left = None
        """How many more syncs succeed; None for all."""
        self.reads = threading.Event()
        self.reads.set()
        self.waiting = threading.Event()
        super().__init__("faulty", "unix", makedefault=True)

    def xOpen(self, name, flags):  # noqa: N802 - SQLite's name
        return DiskFile(self, name, flags)


class DiskFile(apsw.VFSFile):
    """One file on it."""

    def __init__(self, disk, name, flags):
        self.disk = disk
        super().__init__("unix", name, flags)

    def xWrite(self, data, offset):  # noqa: N802 - SQLite's name
        if self.disk.full:
            raise apsw.exception_for(apsw.SQLITE_FULL)
        super().xWrite(data, offset)

    def xSync(self, flags):  # noqa: N802 - SQLite's name
        if self.disk.syncs_left is not None:
            if self.disk.syncs_left == 0:
                raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
            self.disk.syncs_left -= 1
        super().xSync(flags)

    def xRead(self, amount, offset):  # noqa: N802 - SQLite's name
        if not self.disk.reads.is_set():
            self.disk.waiting.set()
            self.disk.reads.wait()
        return super().xRead(amount, offset)


@pytest.fixture
def disk():
    """Put every file that SQLite opens from now on onto a disk with faults."""
    found = Disk()
    yield found
    found.reads.set()
    apsw.set_default_vfs("unix")
    found.unregister()


async def test_a_full_disk_refuses_and_takes_more_when_there_is_room(disk, open_log):
    async with open_log() as log:
        await log.writer.append(b"viewer", [b"before"])
        disk.full = True
        for _ in range(2):
            with pytest.raises(LogUnavailableError, match="full"):
                await log.writer.append(b"viewer", [b"x" * 10_000])
        assert await log.lines() == {0: [b"before"]}

        disk.full = False
        receipt = await log.writer.append(b"viewer", [b"after"])

        assert receipt == Receipt(partition=0, offset=1, line=0)
        assert await log.lines() == {0: [b"after"]}


async def fill(log):
    """Append until the log refuses; return how many it took."""
    for n in count():
        try:
            await log.writer.append(b"viewer", [b"%d" % n + b"x" * 5000])
        except LogUnavailableError:
            return n
    return 0


async def test_a_log_at_its_largest_size_refuses_and_goes_on_when_it_may_grow(open_log, path):
    async with open_log(pack_lines=1) as log:
        await log.writer._file.run(lambda db: db.pragma("max_page_count", 40))
        kept = await fill(log)
        with pytest.raises(LogUnavailableError, match="full"):
            await log.writer.append(b"viewer", [b"x" * 5000])

        await log.writer._file.run(lambda db: db.pragma("max_page_count", 1000))
        await log.writer.append(b"viewer", [b"after"])

        lines = (await log.lines())[0]
    assert [line.rstrip(b"x") for line in lines] == [*numbered(0, kept), b"after"]


async def test_a_full_disk_is_not_mistaken_for_a_damaged_one_when_a_log_is_opened(open_log, path):
    """SQLite's index of the WAL, 32 KiB, is the first thing that finds no room."""
    async with open_log():
        pass
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(LogUnavailableError, match="full"):
            async with SqliteLogAdmin.open(path, ONE):
                pytest.fail("not reached")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    async with open_log() as log:
        assert await log.lines() == {}


async def test_after_a_failed_sync_nothing_is_accepted_any_more(disk, open_log):
    async with open_log() as log:
        await log.writer.append(b"viewer", [b"before"])
        disk.syncs_left = 0
        with pytest.raises(LogDamagedError, match=NEXT_STEP):
            await log.writer.append(b"viewer", [b"lost"])

        disk.syncs_left = None  # that it works again proves nothing about what it lost
        for _ in range(2):
            with pytest.raises(LogDamagedError, match=NEXT_STEP):
                await log.writer.append(b"viewer", [b"later"])

    async with open_log() as log:
        lines = (await log.lines())[0]
    assert lines[0] == b"before"
    assert b"later" not in lines


async def test_every_call_that_shares_the_failed_sync_is_refused(disk, open_log):
    async with open_log() as log:
        disk.syncs_left = 0
        results = await asyncio.gather(
            *(log.writer.append(b"viewer", [b"x"]) for _ in range(20)), return_exceptions=True
        )

    assert {type(result) for result in results} == {LogDamagedError}


async def test_a_retention_that_fails_is_told_to_the_next_append(disk, open_log, clock):
    problems = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with open_log(retention_hours=1) as log:
        await log.writer.append(b"viewer", [b"old"])
        await log.reader.commit({0: Commit(offset=1)})
        await clock.sleep(2 * HOUR_S)
        disk.syncs_left = 1
        await log.writer.append(b"viewer", [b"kept"])
        await settle(log)

        with pytest.raises(LogDamagedError):
            await log.writer.append(b"viewer", [b"later"])
    gc.collect()
    assert problems == []


async def test_a_poll_that_was_given_up_takes_nothing_away(disk, open_log):
    async with open_log() as log:
        for n in range(3):
            await log.writer.append(b"viewer", [b"%d" % n])
        disk.reads.clear()
        poll = asyncio.create_task(log.reader.poll(max_records=10, timeout_s=0))
        await asyncio.to_thread(disk.waiting.wait)
        poll.cancel()
        await asyncio.wait({poll})
        disk.reads.set()

        assert poll.cancelled()
        assert await log.lines() == {0: [b"0", b"1", b"2"]}


async def test_a_log_that_does_not_answer_is_unavailable(disk, open_log):
    async with open_log() as log:
        await log.writer.append(b"viewer", [b"a"])
        log.reader._file._timeout_s = 0.05
        disk.reads.clear()
        with pytest.raises(LogUnavailableError, match=r"did not answer within 0\.05 s"):
            await log.reader.poll(max_records=10, timeout_s=0)
        disk.reads.set()
        log.reader._file._timeout_s = 10

        assert await log.lines() == {0: [b"a"]}
