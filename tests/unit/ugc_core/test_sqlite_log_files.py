"""Files that are no logs, or no longer: what is said about them, and what is left alone."""

import stat
from contextlib import closing

import apsw
import pytest

from tests.unit.ugc_core.sqlite_logs import NEXT_STEP, ONE, append_all, numbered
from ugc_core.adapters.sqlite_file import SqliteFile
from ugc_core.adapters.sqlite_log_admin import SqliteLogAdmin
from ugc_core.adapters.sqlite_log_reader import SqliteLogReader
from ugc_core.adapters.sqlite_log_writer import SqliteLogWriter
from ugc_core.errors import LogDamagedError, LogUnavailableError


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
