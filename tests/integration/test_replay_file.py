"""Files into a real log and from there into the real engine."""

import asyncio
import gzip
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from tests.integration.replayed import NOW_MS, System
from ugc_cli.file_replaying import FileOptions, FileOutcome, replay_files
from ugc_core.clock import SystemClock
from ugc_core.codec import encode_event
from ugc_core.settings import WarehouseSection
from ugc_etl.replay.file_errors import ChangedFileError, StrictReplayError, UnreadableFileError
from ugc_etl.replay.file_state import FileState, mark_files, save_state

DAY_MS = 86_400_000


@pytest.fixture
def system(fresh_database: WarehouseSection, tmp_path: Path) -> System:
    made = System(folder=tmp_path, warehouse=fresh_database, max_rows=1000)
    made.settings = replace(made.settings, data_dir=tmp_path / "data")
    asyncio.run(made.make_topics())
    return made


def journal(system: System, many: int, *, years_ago: int = 0) -> list[bytes]:
    """Accept so many reports of old times, and return them as lines."""
    lines: list[bytes] = []
    for number in range(many):
        at_ms = NOW_MS - years_ago * 365 * DAY_MS + number * 1000
        event = system.event(user=number % 5 + 1, at_ms=at_ms)
        system.accepted.append(event)
        lines.append(encode_event(event))
    return lines


async def send(system: System, *files: Path, **options: Any) -> FileOutcome:
    return await replay_files(
        system.settings, FileOptions(files=files, **options), clock=SystemClock()
    )


async def views(system: System) -> int:
    [(found,)] = await system.select("SELECT count() FROM views")
    return int(found)


async def test_old_reports_come_in_once_from_plain_and_gzipped_files(
    system: System, tmp_path: Path
):
    plain, zipped = tmp_path / "a.ndjson", tmp_path / "b.ndjson.gz"
    lines = journal(system, 1200, years_ago=9)
    plain.write_bytes(b"\n".join(lines[:700]) + b"\n")
    zipped.write_bytes(gzip.compress(b"\n".join(lines[600:])))

    first = await send(system, plain, zipped)
    await send(system, plain, zipped)
    await system.ingest()

    assert (first.tally.lines, first.tally.accepted, first.tally.refused) == (1300, 1300, 0)
    assert await views(system) == 1200
    assert await system.letters() == []
    assert not [*(tmp_path / "data" / "replays").iterdir()]


async def test_what_has_no_id_gets_the_same_one_in_every_run_and_format(
    system: System, tmp_path: Path
):
    import pyarrow as pa  # noqa: PLC0415 - heavy
    import pyarrow.parquet as pq  # noqa: PLC0415

    reports = [
        {
            "user_id": str(UUID(int=n % 3 + 1)),
            "film_id": str(UUID(int=7)),
            "progress": n + 0.5,
            "total": 5400.0,
            "viewed_at": NOW_MS + n,
        }
        for n in range(20)
    ]
    legacy = [
        {
            "user_id": str(UUID(int=1)),
            "film_id": str(UUID(int=7)),
            "progress": 60,
            "total": 5400,
            "created_at": "2023-05-01T10:00:00",
        }
    ]
    lines, table = tmp_path / "a.ndjson", tmp_path / "a.parquet"
    lines.write_bytes(b"\n".join(map(msgspec.json.encode, reports + legacy)))
    pq.write_table(pa.Table.from_pylist(reports), table)

    outcome = await send(system, lines, table)
    await system.append(UUID(int=1), msgspec.json.encode(legacy[0]), headers=())
    await system.ingest()

    assert (outcome.tally.derived, outcome.tally.legacy, outcome.tally.refused) == (40, 1, 0)
    assert await views(system) == 21


async def test_bad_lines_are_named_and_the_others_go_on(system: System, tmp_path: Path):
    file = tmp_path / "a.ndjson"
    good = journal(system, 2)
    nobody = msgspec.json.encode({"film_id": str(UUID(int=1)), "progress": 1, "total": 2})
    file.write_bytes(b"\n".join([good[0], b"{", b"", nobody, b"x" * 70_000, good[1]]))

    with pytest.raises(StrictReplayError, match="nothing was sent"):
        await send(system, file, strict=True)
    counted = await send(system, file, dry_run=True)
    await system.ingest()
    assert await views(system) == 0

    outcome = await send(system, file)
    await system.ingest()

    assert counted.tally.listed == outcome.tally.listed
    assert [line.line for line in outcome.tally.listed] == [2, 4, 5]
    assert "user_id" in outcome.tally.listed[1].reason
    assert await views(system) == 2


async def test_an_interrupted_replay_sends_the_rest_alone(system: System, tmp_path: Path):
    file, state = tmp_path / "a.ndjson", tmp_path / "state.json"
    file.write_bytes(b"\n".join(journal(system, 300)))
    save_state(state, FileState(files=mark_files([file]), line=120))

    outcome = await send(system, file, state=state, resume=True)

    assert outcome.tally.accepted == 180
    assert not state.exists()


async def test_a_file_that_breaks_off_says_so_and_one_that_changed_is_not_gone_on_with(
    system: System, tmp_path: Path
):
    file, state = tmp_path / "a.ndjson.gz", tmp_path / "state.json"
    whole = gzip.compress(b"\n".join(journal(system, 4500)))
    file.write_bytes(whole[:-2000])

    with pytest.raises(UnreadableFileError, match="cannot be read to its end"):
        await send(system, file, state=state)
    assert 0 < msgspec.json.decode(state.read_bytes())["line"] < 4500

    file.write_bytes(whole)
    with pytest.raises(ChangedFileError, match="has changed"):
        await send(system, file, state=state, resume=True)
    with pytest.raises(ChangedFileError, match="nothing to resume"):
        await send(system, file, resume=True)
