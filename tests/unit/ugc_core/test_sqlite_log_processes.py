"""Several processes on one log in a file, some of them killed: nothing is lost."""

import asyncio
import json
import os
import signal
from collections import Counter
from contextlib import ExitStack

import pytest

from tests.unit.ugc_core.children import child
from tests.unit.ugc_core.sqlite_logs import ONE, append_all, numbered
from ugc_core.adapters.sqlite_log_admin import SqliteLogAdmin
from ugc_core.adapters.sqlite_log_reader import SqliteLogReader
from ugc_core.clock import SystemClock
from ugc_core.codec import split_lines
from ugc_core.errors import InUseError

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


# --- bounds and deadlines


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
