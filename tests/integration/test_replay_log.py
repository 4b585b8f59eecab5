"""Replays of a real log into the real engine: every number stays what was accepted."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.integration.processes import START_S
from tests.integration.replayed import NOW_MS, System, run
from tests.unit.ugc_etl.builders import rows as rows_of
from ugc_core.bootstrap import (
    open_log_admin,
    open_log_scrubber,
    open_log_writer,
)
from ugc_core.clock import SystemClock
from ugc_core.codec import encode_event
from ugc_core.settings import WarehouseSection
from ugc_etl.adapters.log_dead_letters import LogDeadLetters
from ugc_etl.replay.plans import Kind, Selection
from ugc_etl.replay.spans import size

ALL = Selection()
LETTERS = Selection(kind=Kind.LETTERS)
GAPS = Selection(kind=Kind.GAPS)
BAD = b"{no report}"
DELETED = ("views_raw", "playback", "resume_points")


@pytest.fixture
def system(fresh_database: WarehouseSection, tmp_path: Path) -> System:
    made = System(folder=tmp_path, warehouse=fresh_database)
    asyncio.run(made.make_topics())
    return made


async def test_a_replay_twice_changes_no_number_and_no_commit(system: System):
    await system.accept(40)
    await system.ingest()
    commits = await system.commits()

    _, first = await system.replay(ALL)
    _, second = await system.replay(ALL)

    assert first == second
    assert (first.records, first.lines, first.events, first.dead, first.erased) == (
        40,
        40,
        40,
        0,
        0,
    )
    assert await system.commits() == commits
    await system.assert_exact()


async def test_a_replay_brings_back_rows_that_the_pipelines_tokens_would_hide(system: System):
    await system.accept(20)
    await system.ingest()
    await system.execute(*(f"ALTER TABLE {table} DELETE WHERE 1" for table in DELETED))
    await system.assert_exact([])

    await system.replay(ALL)

    await system.assert_exact()


async def test_a_dry_run_counts_exactly_and_changes_nothing(system: System):
    await system.accept(12)
    await system.append(UUID(int=1), BAD)
    await system.ingest()
    await system.accept(5)  # appended and not ingested yet
    before = await system.select("SELECT count() FROM ingested")

    counted = await system.count(ALL)

    assert (counted.records, counted.lines, counted.events) == (18, 18, 17)
    assert (counted.already, counted.dead, counted.erased) == (12, 1, 0)
    assert await system.select("SELECT count() FROM ingested") == before
    await system.assert_exact(system.accepted[:12])


async def test_a_replay_during_live_traffic_leaves_the_group_alone(system: System):
    await system.accept(20)
    async with system.pipeline():
        for _ in range(2):
            await system.accept(10)
            await system.replay(ALL)
        await system.caught_up()

    async with open_log_admin(system.log) as admin:
        marks = await admin.watermarks(system.log.topic)
    assert {p: c.offset for p, c in (await system.commits()).items()} == {
        p: ends.high for p, ends in marks.items()
    }
    await system.assert_exact()
    await system.assert_verified()


async def test_an_interrupted_replay_goes_on_exactly_where_it_was(system: System):
    await system.accept(40)
    async with system.replays() as replays:
        plan = await replays.plan(ALL)
        await replays.keep(plan)
        first = await run(replays, plan, batches=2)

    async with system.replays() as replays:
        found = await replays.find(plan.id)
        assert found == plan
        left = size(await replays.left(plan))
        rest = await run(replays, plan)
        assert not await replays.left(plan)

    assert 0 < first.records < 40
    assert left == rest.records == 40 - first.records
    await system.assert_exact()


async def test_a_replay_that_is_killed_is_complete_once_it_is_resumed(
    system: System, tmp_path: Path
):
    await system.accept(60)
    async with system.replays() as replays:
        plan = await replays.plan(ALL)
        await replays.keep(plan)

    await asyncio.to_thread(kill_in_the_middle, system, plan.id)

    async with system.replays() as replays:
        left = size(await replays.left(plan))
        await run(replays, plan)
    assert 0 < left < 60
    await system.assert_exact()


def kill_in_the_middle(system: System, replay_id: str) -> None:
    """Run `ugc replay log --resume` slowly, and kill it as soon as a batch is noted."""
    others = {name: value for name, value in os.environ.items() if name[:4] != "UGC_"}
    settings = {
        "UGC_LOG__URL": system.log.url,
        "UGC_LOG__PARTITIONS": "2",
        "UGC_WAREHOUSE__URL": system.warehouse.url,
        "UGC_ETL__MAX_ROWS": "7",
    }
    command = [sys.executable, "-m", "ugc_cli", "replay", "log", "--resume", replay_id]
    process = subprocess.Popen(
        [*command, "--rate", "20"], env=others | settings, stderr=subprocess.PIPE
    )
    try:
        asyncio.run(asyncio.wait_for(noted(system), START_S))
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=START_S)


async def noted(system: System) -> None:
    while not await system.select(  # noqa: ASYNC110 - another process sets no event here
        "SELECT 1 FROM ingested WHERE lines > 0 LIMIT 1"
    ):
        await asyncio.sleep(0.02)


async def test_who_was_erased_stays_erased(system: System):
    await system.accept(24)
    await system.forget(2, requested_ms=NOW_MS + 600_000_000)
    late = system.event(user=2, at_ms=NOW_MS + 700_000_000)  # the user comes back
    await system.append(late.user_id, encode_event(late))
    await system.ingest()
    kept = [event for event in system.accepted if event.user_id != UUID(int=2)] + [late]
    await system.assert_exact(kept)

    counted = await system.count(ALL)
    _, tally = await system.replay(ALL)

    assert counted.erased == tally.erased == 7  # six reports, and the erasure itself
    await system.assert_exact(kept)
    await system.assert_verified()


async def test_an_erasure_between_reading_and_inserting_holds_all_the_same(system: System):
    """The replay inserts what the pipeline erases at that very moment, and takes it back."""
    await system.accept(24)
    await system.ingest()
    late = system.event(user=2, at_ms=NOW_MS + 700_000_000)
    async with system.replays() as replays:
        plan = await replays.plan(ALL)
        await replays.keep(plan)
        insert = replays.store.insert
        erased = False

        async def erased_meanwhile(rows, *, token):
            nonlocal erased
            if not erased and UUID(int=2) in {event.user_id for event in rows.events}:
                erased = True
                await system.forget(2, requested_ms=NOW_MS + 600_000_000)
                await system.append(late.user_id, encode_event(late))
                await system.ingest()
            await insert(rows, token=token)

        replays.store.insert = erased_meanwhile  # type: ignore[method-assign]
        await run(replays, plan)

    assert erased
    kept = [event for event in system.accepted if event.user_id != UUID(int=2)] + [late]
    await system.assert_exact(kept)


async def test_gaps_are_found_and_closed(system: System):
    await system.accept(40)
    await system.ingest()
    rows = await system.select(
        "SELECT partition, first_offset, last_offset FROM ingested ORDER BY 1, 2 LIMIT 1, 2"
    )
    for partition, first, last in rows:
        where = f"log_partition = {partition} AND log_offset BETWEEN {first} AND {last}"
        await system.execute(
            f"ALTER TABLE views_raw DELETE WHERE {where}",
            f"ALTER TABLE ingested DELETE WHERE partition = {partition} AND first_offset = {first}",
        )
    [(missing,)] = await system.select("SELECT 40 - count() FROM views")
    commits = await system.commits()

    counted = await system.count(GAPS)
    _, tally = await system.replay(GAPS)
    _, nothing = await system.replay(GAPS)

    assert missing
    assert counted.events == tally.events == missing
    assert (counted.already, nothing.records) == (0, 0)
    assert await system.commits() == commits
    await system.assert_exact()
    await system.assert_verified()


async def test_an_erasure_in_a_gap_is_carried_out_and_later_reports_stay(system: System):
    await system.accept(12)
    receipt = await system.forget(1, requested_ms=NOW_MS)
    later = await system.accept(8)
    await system.ingest()
    await system.execute(
        "ALTER TABLE erasures DELETE WHERE 1",
        f"ALTER TABLE ingested DELETE WHERE partition = {receipt.partition}"
        f" AND first_offset <= {receipt.offset} AND last_offset >= {receipt.offset}",
    )

    _, tally = await system.replay(GAPS)

    assert tally.erased
    kept = [e for e in system.accepted if e.user_id != UUID(int=1) or e in later]
    await system.assert_exact(kept)


async def test_a_note_or_a_row_that_was_deleted_can_be_written_again(system: System):
    """The engine remembers blocks beyond their rows, with and without a token."""
    await system.accept(3)
    await system.ingest()
    async with system.replays() as replays:
        plan = await replays.plan(ALL)
        for _ in range(2):
            await replays.keep(plan)
            assert await replays.find(plan.id) == plan
            await system.execute("ALTER TABLE ingested DELETE WHERE 1")
        rows = rows_of(*system.accepted)
        for _ in range(2):
            await system.execute(*(f"ALTER TABLE {table} DELETE WHERE 1" for table in DELETED))
            await replays.store.insert(rows, token="")
            await system.assert_exact()


async def test_dead_letters_are_replayed_once_their_cause_is_gone(system: System):
    await system.accept(6)
    good = system.event(user=3)
    system.accepted.append(good)
    version = (("schema_version", b"2"),)
    await system.append(good.user_id, encode_event(good), headers=version)
    await system.append(UUID(int=1), BAD)
    await system.ingest()
    assert [letter.content.reason for letter in await system.letters()] != []
    system.accepted.remove(good)
    await system.assert_exact()

    system.accepted.append(good)
    await mend_version(system)
    counted = await system.count(LETTERS)
    _, tally = await system.replay(LETTERS)
    _, again = await system.replay(LETTERS)

    assert (counted.lines, counted.events, counted.dead, counted.already) == (2, 1, 1, 0)
    assert (tally.lines, tally.events, tally.dead) == (2, 1, 1)
    assert (again.lines, again.events, again.dead) == (1, 0, 1)
    assert [letter.content.payload for letter in await system.letters()] == [BAD]
    await system.assert_exact()
    [(partition, offset, line)] = await system.select(
        f"SELECT log_partition, log_offset, log_line FROM views_raw"
        f" WHERE event_id = '{good.event_id}'"
    )
    [closed] = await system.letters(resolved=True)
    assert (closed.content.partition, closed.content.offset, closed.content.line) == (
        partition,
        offset,
        line,
    )


async def mend_version(system: System) -> None:
    """Let the letters of schema version 2 name 1, as if this program had learnt to read it."""
    letters = [letter.content for letter in await system.letters()]
    async with open_log_scrubber(system.log) as scrubber:
        assert scrubber
        await scrubber.scrub(system.log.dlq_topic, lambda _: True)
    async with open_log_writer(system.log, system.log.dlq_topic, clock=SystemClock()) as writer:
        await LogDeadLetters(writer).put(
            [
                replace(letter, schema_version=letter.schema_version.replace("2", "1"))
                for letter in letters
            ]
        )


async def test_a_dead_line_of_a_replay_gets_its_letter_once(system: System):
    await system.append(UUID(int=1), BAD)
    await system.ingest()
    [letter] = await system.letters()
    before = await high_mark(system)

    await system.replay(ALL)
    assert await high_mark(system) == before

    async with open_log_scrubber(system.log) as scrubber:
        assert scrubber
        await scrubber.scrub(system.log.dlq_topic, lambda _: True)
    await system.replay(ALL)
    assert [again.content for again in await system.letters()] == [letter.content]


async def high_mark(system: System) -> int:
    async with open_log_admin(system.log) as admin:
        return (await admin.watermarks(system.log.dlq_topic))[0].high
