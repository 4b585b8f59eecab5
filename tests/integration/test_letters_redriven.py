"""Dead letters of a real pipeline: looked at, sent again, set aside; over the real log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from tests.integration.replayed import NOW_MS, System
from tests.integration.test_replay_log import BAD, mend_version
from ugc_cli import letters
from ugc_core.bootstrap import open_log_scanner
from ugc_core.clock import SystemClock
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.log import Record
from ugc_core.settings import WarehouseSection
from ugc_etl.letters.filters import Filters
from ugc_etl.letters.redriving import Redriven
from ugc_etl.letters.resolutions import Resolution

EVERYTHING = Filters()
NEWER = (("schema_version", b"2"),)


@pytest.fixture
def system(fresh_database: WarehouseSection, tmp_path: Path) -> System:
    made = System(folder=tmp_path, warehouse=fresh_database)
    asyncio.run(made.make_topics())
    return made


@asynccontextmanager
async def some_dead(system: System) -> AsyncIterator[None]:
    """Two reports of a version that nobody knows, one line that is no report; then mended."""
    for _ in range(2):
        event = system.event(user=3)
        system.accepted.append(event)
        await system.append(event.user_id, encode_event(event), headers=NEWER)
    await system.append(UUID(int=1), BAD)
    await system.ingest()
    await mend_version(system)
    yield


async def redrive(system: System, filters: Filters = EVERYTHING, *, dry_run=False) -> Redriven:
    return await letters.redrive(
        system.settings, filters, limit=None, dry_run=dry_run, clock=SystemClock()
    )


async def main_records(system: System) -> list[Record]:
    async with open_log_scanner(system.log) as scanner:
        async with letters.open_box(system.log) as box:
            marks = await box.admin.watermarks(system.log.topic)
        found: list[Record] = []
        for partition, ends in marks.items():
            found += await scanner.scan(
                system.log.topic, partition, ends.low, ends.high, max_records=1000
            )
    return found


async def test_what_can_be_read_by_now_is_sent_again_and_the_rest_stays(system: System):
    async with some_dead(system):
        before = len(await main_records(system))
        counted = await redrive(system, dry_run=True)
        assert len(await main_records(system)) == before

        done = await redrive(system)

        assert counted == done
        assert (done.redriven, done.erased) == (2, 0)
        assert [reason for _, reason in done.stay] != []
        assert [letter.content.payload for letter in await system.letters()] == [BAD]
        closed = await system.letters(resolved=True)
        assert [letter.resolution for letter in closed] == [Resolution.REDRIVEN] * 2
        sent = [r for r in await main_records(system) if r.key == str(UUID(int=3)).encode()][-1]
        assert EVENT_HEADERS[0] in sent.headers
        await system.ingest()
        await system.assert_exact()


async def test_a_second_redrive_has_nothing_to_do_and_a_repeated_one_is_harmless(system: System):
    async with some_dead(system):
        await redrive(system)
        again = await redrive(system)
        for event in system.accepted:  # as if it had been interrupted before closing them
            await system.append(event.user_id, encode_event(event))
        await system.ingest()

        assert again.redriven == 0
        await system.assert_exact()
        assert len(await system.letters()) == 1


async def test_an_erased_users_letters_are_closed_unused(system: System):
    async with some_dead(system):
        await system.forget(3, requested_ms=NOW_MS + 10**9)
        await system.ingest()

        done = await redrive(system)

        assert (done.redriven, done.erased) == (0, 2)
        await system.ingest()
        await system.assert_exact([])


async def test_dropped_letters_are_in_no_list_no_redrive_and_no_replay(system: System):
    async with some_dead(system):
        only = Filters(reason="VERSION")
        many = await letters.drop(
            system.settings, EVERYTHING, limit=1, clock=SystemClock()
        ) + await letters.drop(system.settings, EVERYTHING, limit=None, clock=SystemClock())

        assert many == 3
        assert await letters.count(system.log, only, None) == 0
        assert await system.letters() == []
        assert (await redrive(system)).redriven == 0
        assert {letter.resolution for letter in await system.letters(resolved=True)} == {
            Resolution.DROPPED
        }
