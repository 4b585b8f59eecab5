"""From a real log into Parquet and back: complete, verified, and without erased users."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw
import msgspec
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from tests.integration.replayed import NOW_MS, System
from ugc_cli.archiving import ArchiveOptions, ArchiveOutcome, archive
from ugc_cli.file_replaying import FileOptions, FileOutcome, replay_files
from ugc_core.clock import SystemClock
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.errors import InUseError
from ugc_core.files import lock
from ugc_core.settings import WarehouseSection
from ugc_etl.adapters import parquet_archive
from ugc_etl.archive.archiver import ArchiveTally
from ugc_etl.archive.bootstrap import open_archiver
from ugc_etl.archive.errors import ArchiveFolderError, ArchiveMismatchError
from ugc_etl.replay.file_errors import UnreadableFileError

FORGOTTEN = UUID(int=2)
BAD = b'{"user_id": "00000000-0000-0000-0000-000000000002", "progress": "much"}'


@pytest.fixture
def system(fresh_database: WarehouseSection, tmp_path: Path) -> System:
    made = System(folder=tmp_path, warehouse=fresh_database)
    made.settings = replace(made.settings, data_dir=tmp_path / "data")
    asyncio.run(made.make_topics())
    return made


async def run(system: System, folder: Path, **options: Any) -> ArchiveOutcome:
    outcome = await archive(
        system.settings, ArchiveOptions(folder=folder, **options), clock=SystemClock()
    )
    assert outcome.finished
    return outcome


async def in_small_files(system: System, folder: Path) -> ArchiveTally:
    async with open_archiver(
        system.settings, folder, clock=SystemClock(), most_lines=10
    ) as archiver:
        reaches = await archiver.reach()
        assert await archiver.export(reaches, asyncio.Event(), lambda _: None)
        return archiver.tally


async def send(system: System, folder: Path, **options: Any) -> FileOutcome:
    return await replay_files(
        system.settings, FileOptions(files=files(folder), **options), clock=SystemClock()
    )


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def lines(folder: Path) -> list[bytes]:
    return [line.value for path in files(folder) for line in parquet_archive.read(path)]


def names(folder: Path) -> list[str]:
    return [path.name for path in files(folder)]


async def test_every_line_is_there_as_it_was_and_a_second_run_adds_what_is_new(
    system: System, tmp_path: Path
):
    folder = tmp_path / "archive"
    accepted = await system.accept(40)
    await system.append(UUID(int=1), b"{no report}")
    await system.ingest()

    first = await run(system, folder)
    again = await run(system, folder)
    more = await system.accept(10)
    waiting = await run(system, folder)  # nothing of it is ingested
    await system.ingest()
    second = await run(system, folder)

    assert (first.tally.lines, first.tally.left_out, first.tally.gone) == (41, 0, 0)
    assert (again.tally.files, waiting.tally.files) == (0, 0)
    assert second.tally.lines == 10
    expected = [*map(encode_event, accepted + more), b"{no report}"]
    assert sorted(lines(folder)) == sorted(expected)


async def test_a_file_says_what_it_is_and_its_ledgers_hashes(system: System, tmp_path: Path):
    folder = tmp_path / "archive"
    await system.accept(40)
    await system.ingest()

    await run(system, folder)

    ledger = {
        (partition, first, last): content_hash
        for partition, first, last, content_hash in await system.select(
            "SELECT partition, first_offset, last_offset, content_hash FROM ingested FINAL"
        )
    }
    found: dict[tuple[int, int, int], str] = {}
    for path in folder.glob("*.parquet"):
        about = parquet_archive.about(path)
        assert about is not None
        ends = (about.ranges[0].first, about.ranges[-1].last)
        assert path.name == f"views-{about.partition}-{ends[0]}-{ends[1]}.parquet"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found |= {(about.partition, r.first, r.last): r.content_hash for r in about.ranges}
        columns = pq.read_table(path).column_names
        assert columns == [
            *("partition", "offset", "line", "key", "schema_version", "headers"),
            *("timestamp_ms", "value"),
        ]
    assert found == ledger
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert sorted(manifest["files"]) == names(folder)


async def test_what_is_archived_comes_back_into_an_empty_system_as_it_was(
    system: System, tmp_path: Path
):
    folder = tmp_path / "archive"
    await system.accept(40)
    legacy = {
        "user_id": str(UUID(int=1)),
        "film_id": str(UUID(int=2)),
        "progress": 60,
        "total": 5400,
        "created_at": "2023-05-01T10:00:00",
    }
    await system.append(UUID(int=1), msgspec.json.encode(legacy), headers=())
    await system.ingest()
    tables = "SELECT * EXCEPT (stored_at, log_partition, log_offset, log_line) FROM views ORDER BY"
    before = await system.select(f"{tables} event_id")
    await in_small_files(system, folder)
    (tmp_path / "log.db").unlink()
    await system.make_topics()
    await system.execute(
        *(
            f"TRUNCATE TABLE {table}"
            for table in ("views_raw", "playback", "resume_points", "ingested")
        )
    )

    counted = await send(system, folder, dry_run=True)
    outcome = await send(system, folder)
    await send(system, folder)
    await system.ingest()

    assert len(names(folder)) > 2
    assert counted.tally == outcome.tally
    assert (outcome.tally.accepted, outcome.tally.legacy, outcome.tally.refused) == (41, 1, 0)
    assert await system.select(f"{tables} event_id") == before
    assert len(before) == 41


async def test_a_log_that_holds_something_else_than_the_ledger_says_is_not_archived(
    system: System, tmp_path: Path
):
    folder = tmp_path / "archive"
    await system.accept(30, users=1)
    await system.ingest()
    with apsw.Connection(str(tmp_path / "log.db")) as file:
        file.execute(
            "UPDATE record SET value = CAST(replace(CAST(value AS TEXT), '\"progress\":20.0',"
            " '\"progress\":21.0') AS BLOB)"
        )

    with pytest.raises(ArchiveMismatchError, match=r"content hash.*ugc verify"):
        await run(system, folder)

    about = [parquet_archive.about(path) for path in folder.glob("*.parquet")]
    kept = [one for found in about if found is not None for one in found.ranges]
    assert 0 < sum(one.lines for one in kept) < 20  # what comes before it


async def test_erased_users_are_left_out_and_taken_out_of_older_files(
    system: System, tmp_path: Path
):
    folder = tmp_path / "archive"
    accepted = await system.accept(40)
    await system.append(FORGOTTEN, BAD)
    await system.ingest()
    await run(system, folder)
    await system.forget(FORGOTTEN.int, requested_ms=NOW_MS)
    after = await system.accept(8)
    await system.ingest()

    outcome = await run(system, folder, forget=True)
    again = await run(system, folder, forget=True)
    exported = await run(system, folder)

    gone = sum(event.user_id == FORGOTTEN for event in accepted) + 1
    assert (outcome.tally.forgotten, outcome.tally.files) == (gone, 0)
    assert outcome.tally.rewritten == 1  # all of the user is in one partition
    assert (again.tally.checked, exported.tally.checked) == (0, 0)
    assert (exported.tally.lines, exported.tally.left_out) == (8, 1)
    kept = [event for event in accepted if event.user_id != FORGOTTEN]
    assert sorted(lines(folder)) == sorted(map(encode_event, kept + after))
    assert (await run(system, folder)).tally.files == 0  # the ranges are accounted for


async def test_what_lay_below_an_erasure_never_comes_back_from_an_older_archive(
    system: System, tmp_path: Path
):
    folder = tmp_path / "archive"
    await system.accept(20)
    # Its player's clock runs ahead: only its place says that it is older than the erasure.
    ahead = system.event(user=FORGOTTEN.int, at_ms=NOW_MS + 10**9)
    await system.append(FORGOTTEN, encode_event(ahead), headers=EVENT_HEADERS)
    await system.ingest()
    await run(system, folder)
    await system.forget(FORGOTTEN.int, requested_ms=NOW_MS)
    await system.ingest()

    outcome = await send(system, folder)
    await system.ingest()

    assert outcome.tally.erased == 6
    await system.assert_exact([one for one in system.accepted if one.user_id != FORGOTTEN])


async def test_only_what_is_older_than_a_time_is_archived(system: System, tmp_path: Path):
    folder = tmp_path / "archive"
    await system.accept(20)
    await system.ingest()

    assert (await run(system, folder, until_ms=1)).tally.files == 0
    late = SystemClock().wall_ms() + 1000
    assert (await run(system, folder, until_ms=late)).tally.lines == 20


async def test_ranges_that_the_log_no_longer_has_are_counted_and_passed_over(
    system: System, tmp_path: Path
):
    folder = tmp_path / "archive"
    await system.accept(30, users=1)
    await system.ingest()
    [(partition, last)] = await system.select(
        "SELECT partition, min(last_offset) FROM ingested GROUP BY partition"
    )
    with apsw.Connection(str(tmp_path / "log.db")) as file:
        file.execute("UPDATE lane SET low = ? WHERE partition = ?", (last + 1, partition))

    outcome = await run(system, folder)

    assert outcome.tally.gone == 1
    assert outcome.tally.lines == 30 - last - 1


async def test_a_lost_manifest_is_made_anew_and_what_a_killed_run_has_left_goes(
    system: System, tmp_path: Path
):
    folder = tmp_path / "archive"
    await system.accept(20)
    await system.ingest()
    await run(system, folder)
    manifest = (folder / "manifest.json").read_text("utf-8")
    (folder / "manifest.json").unlink()
    (folder / ".new123").write_bytes(b"half a file")

    again = await run(system, folder)

    assert again.tally.files == 0
    assert (folder / "manifest.json").read_text("utf-8") == manifest
    assert not (folder / ".new123").exists()


async def test_a_folder_is_one_archivers_at_a_time_and_has_to_be_writable(
    system: System, tmp_path: Path
):
    folder = tmp_path / "archive"
    folder.mkdir()

    with (
        lock(folder / ".lock", what="", then=""),
        pytest.raises(InUseError, match="wait for it"),
    ):
        await run(system, folder)
    with pytest.raises(ArchiveFolderError, match="choose another"):
        await run(system, tmp_path / "log.db")


async def test_a_file_that_was_altered_is_refused(system: System, tmp_path: Path):
    folder = tmp_path / "archive"
    await system.accept(60, users=1)
    await system.ingest()
    await run(system, folder)
    [path] = folder.glob("*.parquet")
    values = pq.read_metadata(path).row_group(0).column(8)  # `headers` are two columns
    assert values.path_in_schema == "value"
    content = bytearray(path.read_bytes())
    content[values.data_page_offset + values.total_compressed_size // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(UnreadableFileError):
        await send(system, folder, dry_run=True)
