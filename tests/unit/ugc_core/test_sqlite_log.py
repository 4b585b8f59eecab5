"""What only a log in a file can do wrong: processes, disks, damage and its own retention."""

import asyncio
import gc
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections import Counter
from contextlib import ExitStack, closing, contextmanager
from itertools import count

import apsw
import msgspec
import pytest

from ugc_core.adapters.sqlite_file import SqliteFile
from ugc_core.adapters.sqlite_log_admin import SqliteLogAdmin
from ugc_core.adapters.sqlite_log_reader import SqliteLogReader
from ugc_core.adapters.sqlite_log_writer import SqliteLogWriter
from ugc_core.clock import SystemClock
from ugc_core.codec import split_lines
from ugc_core.errors import (
    InUseError,
    LogBusyError,
    LogDamagedError,
    LogUnavailableError,
    OffsetOutOfRangeError,
)
from ugc_core.log import Commit, Receipt, Watermarks
from ugc_core.partitioner import partition_for
from ugc_core.settings import LogSection

HOUR_S = 3600.0
ONE = LogSection(partitions=1)
NEXT_STEP = "copy .*log.db.* to a safe place, check the disk, and restore the log from a copy"


def section(**changes):
    return msgspec.structs.replace(ONE, **changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
def open_log(path, clock, open_sqlite_log):
    """Open the log with one partition; a second call opens the same one again."""

    def opened(**changes):
        return open_sqlite_log(path, section(**changes), clock)

    return opened


async def settle(log):
    """Wait until the writer has nothing to do any more."""
    while (flushing := log.writer._flushing) is not None:
        await asyncio.wait({flushing})


async def append_all(log, lines, *, key=b"viewer"):
    """Append each line by a call of its own, all of them at once."""
    return await asyncio.gather(*(log.writer.append(key, [line]) for line in lines))


def numbered(start, end):
    return [b"%d" % n for n in range(start, end)]


# --- several processes

WRITER = """
import asyncio, json, sys
from pathlib import Path
from ugc_core.adapters.sqlite_log_writer import SqliteLogWriter
from ugc_core.settings import LogSection

async def main(path, name, calls, at_once):
    async with SqliteLogWriter.open(path, "views", LogSection()) as writer:
        async def one(n):
            line = f"{name}:{n}"
            found = await writer.append(b"user-%d" % (n % 7), [line.encode()])
            ack = [line, found.partition, found.offset, found.line]
            sys.stdout.write(json.dumps(ack) + "\\n")
            sys.stdout.flush()
        print("ready", flush=True)
        sys.stdin.readline()
        for start in range(0, calls, at_once):
            await asyncio.gather(*(one(n) for n in range(start, start + at_once)))

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


@contextmanager
def child(program, *arguments):
    """Run a program that says "ready" when it is."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def go(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


async def test_several_processes_appending_at_once_lose_nothing(open_log, path):
    async with open_log(partitions=4) as log:
        with ExitStack() as stack:
            children = [
                stack.enter_context(child(WRITER, path, f"child-{n}", 200, 20)) for n in range(3)
            ]
            for process in children:
                go(process)
            own = await append_all(log, [b"own:%d" % n for n in range(200)])
            acks = [json.loads(ack) for process in children for ack in process.stdout]
            assert [process.wait() for process in children] == [0, 0, 0]

        found = await log.records()

    kept = {
        (record.partition, record.offset, number): line
        for records in found.values()
        for record in records
        for number, line in enumerate(split_lines(record.value))
    }
    sent = {b"own:%d" % n for n in range(200)}
    sent |= {b"child-%d:%d" % (name, n) for name in range(3) for n in range(200)}
    assert Counter(kept.values()) == Counter(sent)
    for line, *place in acks:
        assert kept[tuple(place)] == line.encode()
    for n, receipt in enumerate(own):
        assert kept[receipt.partition, receipt.offset, receipt.line] == b"own:%d" % n


OPENER = """
import asyncio, sys
from pathlib import Path
from ugc_core.adapters.sqlite_log_admin import SqliteLogAdmin
from ugc_core.log import Topic
from ugc_core.settings import LogSection

async def main(path):
    async with SqliteLogAdmin.open(path, LogSection()) as admin:
        wanted = [Topic(name="views", partitions=4, retention_ms=1)]
        await admin.apply(await admin.plan(wanted))

print("ready", flush=True)
for line in sys.stdin:
    try:
        asyncio.run(main(Path(line.strip())))
    except Exception as error:
        print(repr(error), flush=True)
    else:
        print("opened", flush=True)
"""


def test_several_processes_may_be_the_first_to_open_a_log(tmp_path):
    answers = []
    with ExitStack() as stack:
        children = [stack.enter_context(child(OPENER)) for _ in range(3)]
        for n in range(40):
            for process in children:
                process.stdin.write(b"%s\n" % os.fsencode(tmp_path / f"log-{n}.db"))
                process.stdin.flush()
            answers += [process.stdout.readline() for process in children]

    assert Counter(answers) == {b"opened\n": 120}
    assert len(list(tmp_path.glob("log-*.db"))) == 40
    assert not list(tmp_path.glob(".*"))  # nothing half-made was left behind


LOCKER = """
import fcntl, os, sys
print("ready", flush=True)
handle = os.open(sys.argv[1], os.O_RDWR)
try:  # the first of SQLite's shared lock bytes
    fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0x40000000 + 2)
except OSError:
    print("held", flush=True)
else:
    print("free", flush=True)
"""


async def test_opening_a_log_twice_keeps_its_hold_on_the_file(open_log, path):
    """Otherwise another program that looks at the file takes the WAL away on leaving."""
    async with open_log(), SqliteLogAdmin.open(path, ONE):
        with child(LOCKER, path) as process:
            assert process.stdout.readline() == b"held\n"


@pytest.mark.parametrize("at_once", [1, 8])
async def test_a_killed_process_loses_nothing_that_was_acknowledged(open_log, path, at_once):
    async with open_log(partitions=4):
        pass
    acknowledged = set()
    for attempt in range(4):
        with child(WRITER, path, f"child-{attempt}", 1_000_000, at_once) as process:
            go(process)
            acknowledged |= {json.loads(process.stdout.readline())[0] for _ in range(50)}
            process.send_signal(signal.SIGKILL)
            # What it had said before the end counts; its last words may be half a line.
            rest = process.stdout.read().split(b"\n")[:-1]
            acknowledged |= {json.loads(ack)[0] for ack in rest}
            assert process.wait() == -signal.SIGKILL

    async with open_log(partitions=4) as log:
        found = Counter(line for lines in (await log.lines()).values() for line in lines)

    assert {line.encode() for line in acknowledged} <= set(found)
    assert set(found.values()) == {1}
    names = Counter(line.partition(b":")[0] for line in found)
    for attempt in range(4):  # nothing appeared that was never sent, nothing has a gap
        name = b"child-%d" % attempt
        sent = {b"%s:%d" % (name, n) for n in range(names[name] + at_once)}
        assert {line for line in found if line.startswith(name)} <= sent


COMMITTER = """
import asyncio, sys
from itertools import count
from pathlib import Path
from ugc_core.adapters.sqlite_log_reader import SqliteLogReader
from ugc_core.log import Commit
from ugc_core.settings import LogSection

async def main(path):
    async with SqliteLogReader.open(path, "views", "ugc-etl", LogSection()) as reader:
        print("ready", flush=True)
        for n in count(1):
            await reader.commit({0: Commit(offset=n, metadata=f"note {n}")})
            print(n, flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_killed_process_loses_no_commit(open_log, path):
    async with open_log() as log:
        await append_all(log, numbered(0, 10))
    with child(COMMITTER, path) as process:
        said = [int(process.stdout.readline()) for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        said += [int(number) for number in process.stdout.read().split(b"\n")[:-1]]

    async with open_log() as log:
        found = (await log.reader.committed(frozenset({0})))[0]

    assert said[-1] <= found.offset <= said[-1] + 1
    assert found.metadata == f"note {found.offset}"


async def test_a_group_has_one_reader(open_log, path):
    async with open_log():
        with pytest.raises(InUseError, match=r"consumer group ugc-etl of .*log\.db is in use"):
            async with SqliteLogReader.open(path, "views", "ugc-etl", ONE):
                pytest.fail("not reached")
        async with SqliteLogReader.open(path, "views", "audit", ONE) as audit:
            assert await audit.poll(max_records=1, timeout_s=0) == {}

    async with open_log() as log:
        assert await log.lines() == {}


# --- files that are no logs, or no longer


async def test_the_log_and_what_sqlite_keeps_beside_it_are_their_owners_alone(open_log, tmp_path):
    async with open_log() as log:
        await log.writer.append(b"viewer", [b"a"])

        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    assert set(modes) == {"log.db", "log.db-wal", "log.db-shm", "log.db.ugc-etl.lock"}
    assert set(modes.values()) == {0o600}


async def test_directories_are_made_on_the_way(tmp_path):
    for name, opened in {
        "admin": SqliteLogAdmin.open(tmp_path / "a/b/admin.db", ONE),
        "reader": SqliteLogReader.open(tmp_path / "c/d/reader.db", "views", "g", ONE),
    }.items():
        async with opened:
            assert list(tmp_path.glob(f"*/*/{name}.db"))


@pytest.mark.parametrize("spoil", ["header", "text", "half"])
async def test_a_corrupt_file_says_what_to_do_next(open_log, path, spoil):
    async with open_log() as log:
        await append_all(log, numbered(0, 10))
    raw = path.read_bytes()
    path.write_bytes(
        {
            "header": b"\xff" * 100 + raw[100:],
            "text": b"these are not the records you are looking for\n" * 100,
            "half": raw[: len(raw) // 2],
        }[spoil]
    )

    with pytest.raises(LogDamagedError, match=NEXT_STEP):
        async with SqliteFile.open(path, timeout_s=5, check=True):
            pytest.fail("not reached")


def make_sqlite_file(path, *, application_id=0, version=0):
    with closing(apsw.Connection(str(path))) as db:
        db.execute("CREATE TABLE t (x)")
        db.pragma("application_id", application_id)
        db.pragma("user_version", version)


@pytest.mark.parametrize(
    ("application_id", "version"), [(0, 0), (0x55474331, 2), (0x55474331, 0), (5, 1)]
)
async def test_a_sqlite_file_of_something_else_is_refused_and_left_alone(
    path, application_id, version
):
    make_sqlite_file(path, application_id=application_id, version=version)
    before = path.read_bytes()

    with pytest.raises(LogDamagedError, match=r"is a SQLite file but not a log .* UGC_LOG__URL"):
        async with SqliteLogAdmin.open(path, ONE):
            pytest.fail("not reached")

    assert path.read_bytes() == before


async def test_an_empty_file_is_no_log(path):
    path.touch()

    with pytest.raises(LogDamagedError, match="UGC_LOG__URL"):
        async with SqliteLogAdmin.open(path, ONE):
            pytest.fail("not reached")


async def spoiled_page(open_log, path):
    """Make a log of many pages and overwrite one of them with nonsense."""
    async with open_log(pack_lines=1) as log:
        await append_all(log, [b"x" * 1000 for _ in range(200)])
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 4096 // 2 * 4096
    raw[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(raw)


async def test_the_check_finds_a_damaged_page(open_log, path, clock):
    await spoiled_page(open_log, path)

    with pytest.raises(LogDamagedError, match=f"(?s)quick_check: .*{NEXT_STEP}"):
        async with SqliteLogWriter.open(path, "views", ONE, clock=clock, check=True):
            pytest.fail("not reached")


async def test_the_check_passes_a_sound_log(open_log, path, clock):
    async with open_log() as log:
        await append_all(log, numbered(0, 100))

    async with SqliteLogWriter.open(path, "views", ONE, clock=clock, check=True) as writer:
        assert (await writer.append(b"viewer", [b"a"])).offset == 1


async def test_whoever_meets_a_damaged_page_stops_for_good(open_log, path):
    await spoiled_page(open_log, path)

    async with open_log() as log:
        for _ in range(2):
            with pytest.raises(LogDamagedError, match=NEXT_STEP):
                await log.records()


@pytest.mark.parametrize("where", ["below a file", "a directory"])
async def test_a_path_that_cannot_be_opened_is_unavailable(tmp_path, where):
    tmp_path.joinpath("file").touch()
    path = tmp_path / "file" / "log.db" if where == "below a file" else tmp_path

    for opened in (
        SqliteLogAdmin.open(path, ONE),
        SqliteLogWriter.open(path, "views", ONE),
        SqliteLogReader.open(path, "views", "g", ONE),
    ):
        with pytest.raises(LogUnavailableError):
            async with opened:
                pytest.fail("not reached")


async def test_a_topic_that_does_not_exist_says_how_to_make_it(path):
    with pytest.raises(LogUnavailableError, match="topic views does not exist; run `ugc init`"):
        async with SqliteLogWriter.open(path, "views", ONE):
            pytest.fail("not reached")

    async with SqliteLogReader.open(path, "views", "g", ONE) as reader:
        with pytest.raises(LogUnavailableError, match="topic views does not exist"):
            await reader.poll(max_records=1, timeout_s=0)


# --- a disk with faults


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


# --- bounds and deadlines


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


async def test_an_idle_reader_notices_what_another_process_appends(open_log, path):
    async with open_log() as log:
        assert await log.lines() == {}
        async with SqliteLogReader.open(path, "views", "g", ONE, clock=SystemClock()) as reader:
            await reader.poll(max_records=10, timeout_s=0)
            poll = asyncio.create_task(reader.poll(max_records=10, timeout_s=100))
            with child(WRITER, path, "child", 1, 1) as process:
                go(process)
                [[record]] = (await poll).values()

    assert record.value == b"child:0"


# --- retention


async def retain(log, clock):
    """Let the writer look after the retention once: it does so with an append."""
    await clock.sleep(61)
    await log.writer.append(b"viewer", [b"tick"])
    await settle(log)


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
    async with open_log(retention_hours=1, pack_lines=1) as log:
        await append_all(log, numbered(0, 10))
        await log.reader.commit({0: Commit(offset=4)})
        await clock.sleep(2 * HOUR_S)
        await retain(log, clock)
        log.reader.seek(0, 3)

        with pytest.raises(OffsetOutOfRangeError, match=r"offset 3 .* 4 to 11; records between"):
            await log.reader.poll(max_records=10, timeout_s=0)


async def test_a_new_group_starts_at_the_oldest_record_that_is_left(open_log, clock):
    async with open_log(retention_hours=1, pack_lines=1) as log:
        await append_all(log, numbered(0, 10))
        await log.reader.commit({0: Commit(offset=4)})
        await clock.sleep(2 * HOUR_S)
        await retain(log, clock)

    async with open_log(group="audit") as log:
        assert (await log.lines())[0][:6] == numbered(4, 10)


async def test_offsets_at_never_lies_below_the_low_mark(open_log, clock):
    async with open_log(retention_hours=1, pack_lines=1) as log:
        await append_all(log, numbered(0, 10))
        await log.reader.commit({0: Commit(offset=10)})
        await clock.sleep(2 * HOUR_S)
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
    async with open_log(retention_hours=1, pack_lines=1) as log:
        await append_all(log, numbered(0, 10))
        await log.reader.commit({0: Commit(offset=8)})
        await clock.sleep(2 * HOUR_S)
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
    async with open_log(retention_hours=1, pack_lines=1) as log:
        await append_all(log, numbered(0, 2500))
        await log.reader.commit({0: Commit(offset=2500)})
        await clock.sleep(2 * HOUR_S)
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
