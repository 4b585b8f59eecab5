"""`ugc offsets` on the log of an embedded system that does not run."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ugc_cli.app import app
from ugc_core.bootstrap import open_log_admin, open_log_consumer, open_log_writer, topics
from ugc_core.clock import SystemClock
from ugc_core.codec import ERASURE_HEADERS
from ugc_core.errors import InUseError, OffsetOutOfRangeError, WarehouseUnavailableError
from ugc_core.log import Commit
from ugc_core.settings import LogSection


def section_of(data: Path) -> LogSection:
    return LogSection(url=f"sqlite:///{data / 'log.db'}", partitions=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory on which nothing runs: five records in one partition, two committed."""
    section = section_of(tmp_path)
    clock = SystemClock()

    async def fill() -> None:
        async with open_log_admin(section) as admin:
            await admin.apply(await admin.plan(topics(section)))
        async with open_log_writer(section, section.topic, clock=clock) as writer:
            for number in range(4):
                await writer.append(b"key", [b"line %d" % number, b"another"])
            await writer.append(b"key", [b"whom to forget"], headers=ERASURE_HEADERS)
        async with open_log_consumer(section, clock=clock) as reader:
            await reader.poll(max_records=1, timeout_s=0)
            await reader.commit({0: Commit(offset=2, metadata="intent=2-4")})

    asyncio.run(fill())
    return tmp_path


def offsets(data: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["offsets", *words, "--data", str(data)])


def commit(data: Path) -> Commit:
    async def ask() -> Commit:
        section = section_of(data)
        async with open_log_admin(section) as admin:
            return (await admin.committed_by(section.group, section.topic))[0]

    return asyncio.run(ask())


def test_the_group_stands_where_it_committed(data):
    told = json.loads(offsets(data, "show", "--json").stdout)

    [partition] = told["partitions"]
    assert partition == {
        "partition": 0,
        "low": 0,
        "committed": 2,
        "high": 5,
        "lag": 3,
        "ledger": None,
        "note": "intent=2-4",
    }
    assert told["members"] == []
    assert told["ledger_silent"] == "no `ugc up` runs"


def test_a_plan_changes_nothing(data):
    told = json.loads(
        offsets(data, "reset", "--to", "4", "--partition", "0", "--dry-run", "--json").stdout
    )

    [move] = told["moves"]
    assert (move["from"], move["to"], move["repeated"]) == (2, 4, 0)
    assert move["skipped"] == {
        "ranges": [{"first": 2, "last": 3}],
        "records": 2,
        "lines": 4,
        "erasures": 0,
        "gone": 0,
    }
    assert commit(data) == Commit(offset=2, metadata="intent=2-4")


def test_nothing_is_moved_unasked(data):
    ended = offsets(data, "reset", "--to", "latest")

    assert ended.exit_code == 2
    assert "1 partition would be moved; add --yes" in ended.stderr
    assert commit(data).offset == 2


def test_a_move_forward_says_what_is_skipped_and_the_note_goes(data):
    ended = offsets(data, "reset", "--to", "latest", "--yes")

    assert ended.exit_code == 0, ended.output
    head, row = ended.stdout.splitlines()
    assert head == "partition\tfrom\tto\tskipped\tgone\tagain"
    assert row == "0\t2\t5\t3\t0\t0"
    assert "3 records with 5 lines are skipped that were never stored" in ended.stderr
    assert "1 of them ask to forget users" in ended.stderr
    assert "`ugc verify` names them as a gap" in ended.stderr
    assert commit(data) == Commit(offset=5)


def test_a_move_back_says_that_repeats_are_harmless(data):
    ended = offsets(data, "reset", "--to", "2020-01-01", "--yes")
    again = offsets(data, "reset", "--to", "earliest", "--yes")

    assert ended.exit_code == 0, ended.output
    assert "2 records are stored again, which is harmless" in ended.stderr
    assert (again.exit_code, again.stdout) == (0, "")
    assert "nothing to do" in again.stderr
    assert commit(data) == Commit(offset=0)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--to", "6", "--partition", "0"], OffsetOutOfRangeError),
        (["--to", "ledger"], WarehouseUnavailableError),
    ],
)
def test_a_place_that_is_not_there_is_an_error(data, words, error):
    ended = offsets(data, "reset", "--yes", *words)

    assert isinstance(ended.exception, error)
    assert commit(data).offset == 2


@pytest.mark.parametrize(
    "words", [["--to", "1"], ["--to", "blub"], ["--to", "earliest", "--partition", "7"], []]
)
def test_a_place_that_means_nothing_is_a_mistake(data, words):
    assert offsets(data, "reset", "--yes", *words).exit_code == 2
    assert commit(data).offset == 2


def test_a_reader_stops_the_move(data):
    section = section_of(data)

    async def read() -> Result:
        async with open_log_consumer(section, clock=SystemClock()):
            return await asyncio.to_thread(offsets, data, "reset", "--to", "latest", "--yes")

    ended = asyncio.run(read())

    assert isinstance(ended.exception, InUseError)
    assert ended.stdout == ""
    assert commit(data).offset == 2
