"""The pipeline as a process of its own: killed, stopped, and with its warehouse gone.

The oracle compares sets of ids, never counts: what the log acknowledged is in the warehouse or
among the dead letters, and nothing else is. Then it compares every number with `recount`.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import UUID

import msgspec
import pytest

from tests.integration.conftest import make_tables
from tests.integration.processes import ChdbServer, Etl
from tests.integration.test_pipeline_warehouse import recount, stored
from ugc_core import exits
from ugc_core.bootstrap import (
    open_log_admin,
    open_log_consumer,
    open_log_writer,
    open_warehouse,
    topics,
)
from ugc_core.clock import SystemClock
from ugc_core.codec import EVENT_HEADERS, encode_event, log_key
from ugc_core.events import Event
from ugc_core.settings import LogSection, WarehouseSection
from ugc_etl.intents import intent_of

NOW_MS = 1_767_225_600_000
BAD = b"{no report}"
DEADLINE_S = 40


@dataclass(kw_only=True)
class System:
    """A log and a warehouse, the pipeline between them, and a journal of what was appended.

    Attributes:
        accepted: The reports that the log acknowledged.
        bad: How many lines were no reports.
    """

    folder: Path
    warehouse: WarehouseSection
    settings: dict[str, str] = field(default_factory=dict)
    accepted: list[Event] = field(default_factory=list)
    bad: int = 0

    def __post_init__(self) -> None:
        """Make up the settings."""
        self.log = LogSection(url=f"sqlite:///{self.folder}/log.db", partitions=3)
        self.settings = {
            "UGC_LOG__URL": self.log.url,
            "UGC_WAREHOUSE__URL": self.warehouse.url,
            "UGC_ETL__MAX_ROWS": "7",
            "UGC_ETL__MAX_AGE_S": "0.05",
            "UGC_ETL__RETRY_MOST_S": "0.2",
            "UGC_LOGGING__FORMAT": "json",
            **self.settings,
        }
        self.etl = Etl(self.settings, errors=self.folder / "etl.stderr")

    async def make_topics(self) -> None:
        async with open_log_admin(self.log) as admin:
            await admin.apply(await admin.plan(topics(self.log)))

    async def append(self, reports: int, *, bad: int = 0) -> None:
        """Append so many reports of nine users, and some lines that are none."""
        lines = [self._report() for _ in range(reports)]
        lines += [(UUID(int=n % 9 + 1), BAD) for n in range(bad)]
        self.bad += bad
        async with open_log_writer(self.log, self.log.topic, clock=SystemClock()) as writer:
            for user, line in lines:
                await writer.append(log_key(user), [line], headers=EVENT_HEADERS)

    def _report(self) -> tuple[UUID, bytes]:
        number = len(self.accepted) + 1
        event = Event(
            event_id=UUID(int=NOW_MS << 80 | 7 << 76 | 0b10 << 62 | number),
            film_id=UUID(int=number % 5),
            user_id=UUID(int=number % 9 + 1),
            progress=float(number),
            total=5400.0,
            watched_from=max(number - 10.0, 0.0),
            viewed_at=NOW_MS + number * 1000,
            received_at=NOW_MS + number * 1000,
        )
        self.accepted.append(event)
        return event.user_id, encode_event(event)

    async def select(self, sql: str) -> Sequence[tuple[Any, ...]]:
        async with open_warehouse(self.warehouse) as warehouse:
            return (await warehouse.read(sql)).rows

    async def count(self, table: str) -> int:
        [(found,)] = await self.select(f"SELECT count() FROM {table}")
        return int(found)

    async def positions(self) -> Mapping[int, int]:
        """Return what is committed, by partition."""
        async with open_log_admin(self.log) as admin:
            commits = await admin.committed_by(self.log.group, self.log.topic)
        return {partition: commit.offset for partition, commit in commits.items()}

    async def progress(self) -> int:
        """Return how many records are committed."""
        return sum((await self.positions()).values())

    async def caught_up(self) -> bool:
        async with open_log_admin(self.log) as admin:
            marks = await admin.watermarks(self.log.topic)
        positions = await self.positions()
        return all(positions.get(p, 0) == ends.high for p, ends in marks.items())

    async def letters(self) -> Sequence[dict[str, object]]:
        """Return the dead letters, repeats included."""
        section = msgspec.structs.replace(self.log, topic=self.log.dlq_topic, group="test")
        found: list[dict[str, object]] = []
        async with open_log_consumer(section, clock=SystemClock()) as consumer:
            while polled := await consumer.poll(max_records=1000, timeout_s=0):
                found += [msgspec.json.decode(r.value) for some in polled.values() for r in some]
        return found

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a condition holds, looking again and again, up to the tests' deadline."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not await holds():  # noqa: ASYNC110 - another process sets no event here
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            state = f"running: {self.etl.alive}, committed: {await self.positions()}"
            msg = f"it never happened; {state}, it said: {self.etl.said()[-2000:]}"
            raise AssertionError(msg) from error

    async def check(self) -> None:
        """Compare what is kept with what was accepted, and the ledger with the commits."""
        found = {event_id for (event_id,) in await self.select("SELECT event_id FROM views")}
        assert found == {event.event_id for event in self.accepted}
        async with open_warehouse(self.warehouse) as warehouse:
            films = {event.film_id for event in self.accepted}
            assert await stored(warehouse, films) == recount(self.accepted)
        dead = {(letter["partition"], letter["offset"]) for letter in await self.letters()}
        assert len(dead) == self.bad
        entries = await self.select(
            "SELECT partition, first_offset, last_offset, lines - stored - dead - erased"
            " FROM ingested FINAL ORDER BY partition, first_offset, last_offset"
        )
        reached: dict[int, int] = {}
        for partition, first, last, unaccounted in entries:
            assert (partition, first) == (partition, reached.get(partition, 0))
            assert unaccounted == 0
            reached[partition] = last + 1
        assert reached == await self.positions()


@pytest.fixture
def system(tmp_path: Path, fresh_database: WarehouseSection) -> Iterator[System]:
    """A log with topics and a warehouse with tables; the pipeline is not started."""
    found = System(folder=tmp_path, warehouse=fresh_database)
    asyncio.run(found.make_topics())
    yield found
    found.etl.kill()


# --- kill


@pytest.mark.parametrize("tokens", [True, False], ids=["with tokens", "without tokens"])
async def test_whenever_it_is_killed_nothing_is_lost_and_nothing_counted_twice(system, tokens):
    if not tokens:
        await forget_tokens(system)
    chance = random.Random(20260101 + tokens)
    interrupted = 0
    for _ in range(4):
        before = await system.progress()
        await system.append(120, bad=2)
        system.etl.start()
        await system.until(some_progress(system, chance, before))
        system.etl.kill()
        interrupted += not await system.caught_up()
    assert interrupted

    system.etl.start()
    await system.until(system.caught_up)
    assert system.etl.stop() == exits.OK
    await system.check()


async def forget_tokens(system: System) -> None:
    """Let the warehouse take a repeated batch for a new one: the identity has to do alone."""
    setting = "non_replicated_deduplication_window = 0"
    async with open_warehouse(system.warehouse) as warehouse:
        for table in ("views_raw", "playback", "resume_points", "ingested"):
            await warehouse.execute(f"ALTER TABLE {table} MODIFY SETTING {setting}")


def some_progress(
    system: System, chance: random.Random, before: int
) -> Callable[[], Awaitable[bool]]:
    """Return a condition that begins to hold at some place within some batch."""
    table = chance.choice(["views_raw", "ingested", ""])
    goal = chance.randint(1, 80)

    async def holds() -> bool:
        if table == "ingested":
            return await system.count("ingested") >= before // 8 + goal // 8 + 1
        if table:
            return await system.count("views_raw") >= before + goal
        return await system.progress() >= before + goal

    async def holds_or_done() -> bool:
        return await holds() or await system.caught_up()

    return holds_or_done


# --- stop


async def test_told_to_stop_it_ends_well_and_the_next_start_finds_the_rest(system):
    await system.append(100, bad=1)
    system.etl.start()
    await system.until(lambda: reached(system, 30))

    assert system.etl.stop() == exits.OK

    await system.append(50)
    system.etl.start()
    await system.until(system.caught_up)
    assert system.etl.stop() == exits.OK
    await system.check()


async def reached(system: System, records: int) -> bool:
    return await system.progress() >= records


async def test_told_to_stop_it_delivers_what_it_has_read(tmp_path, fresh_database):
    patient = System(
        folder=tmp_path,
        warehouse=fresh_database,
        settings={
            "UGC_ETL__MAX_ROWS": "1000",
            "UGC_ETL__MAX_AGE_S": "1000",
            "UGC_ETL__METRICS_PORT": str(free_port()),
        },
    )
    await patient.make_topics()
    await patient.append(40)
    patient.etl.start()
    try:
        size = sum(len(line) for line in await lines(patient))
        await patient.until(lambda: metric(patient, "ugc_etl_buffered_bytes", size))
        assert await patient.progress() == 0
    finally:
        code = patient.etl.stop()

    assert code == exits.OK
    assert await patient.caught_up()
    await patient.check()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


async def lines(system: System) -> list[bytes]:
    """Return the values of all records, read as another group."""
    section = msgspec.structs.replace(system.log, group="test")
    async with open_log_consumer(section, clock=SystemClock()) as consumer:
        polled = await consumer.poll(max_records=1000, timeout_s=0)
    return [record.value for records in polled.values() for record in records]


async def metric(system: System, name: str, value: float) -> bool:
    """Say whether the service shows a metric with a value."""
    port = system.settings["UGC_ETL__METRICS_PORT"]
    text = await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/metrics")
    return f"\n{name} {float(value)}\n" in text


def fetch(url: str) -> str:
    with urlopen(url, timeout=DEADLINE_S) as answer:  # noqa: S310 - an address of our own
        return bytes(answer.read()).decode()


# --- a warehouse that comes and goes


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ChdbServer]:
    """A warehouse for one test alone, with tables."""
    server = ChdbServer(tmp_path / "warehouse")
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize(
    ("go", "come_back"),
    [
        (ChdbServer.stop, ChdbServer.start),
        (ChdbServer.kill, ChdbServer.start),
        (ChdbServer.pause, ChdbServer.resume),
    ],
    ids=["stopped", "killed", "hung"],
)
async def test_a_warehouse_that_goes_and_comes_back_loses_nothing_and_ends_nothing(
    tmp_path, own_server, go, come_back
):
    warehouse = WarehouseSection(url=f"clickhouse://127.0.0.1:{own_server.port}/movies")
    system = System(
        folder=tmp_path, warehouse=warehouse, settings={"UGC_WAREHOUSE__INSERT_TIMEOUT_S": "0.5"}
    )
    await make_tables(warehouse)
    await system.make_topics()
    await system.append(60, bad=1)
    system.etl.start()
    try:
        await system.until(lambda: reached(system, 20))
        go(own_server)
        await system.append(60, bad=1)
        await system.until(lambda: said(system, "trying_again"))
        assert not await system.caught_up()

        come_back(own_server)
        await system.until(system.caught_up)
        assert system.etl.alive
    finally:
        code = system.etl.stop()

    assert code == exits.OK
    await system.check()


async def test_told_to_stop_while_the_warehouse_hangs_it_ends_and_leaves_the_rest(
    tmp_path, own_server
):
    warehouse = WarehouseSection(url=f"clickhouse://127.0.0.1:{own_server.port}/movies")
    system = System(folder=tmp_path, warehouse=warehouse, settings={"UGC_ETL__DRAIN_S": "0.3"})
    await make_tables(warehouse)
    await system.make_topics()
    system.etl.start()
    try:
        await system.append(60)
        await system.until(system.caught_up)
        own_server.pause()
        await system.append(60)
        await system.until(lambda: announced(system))

        assert system.etl.stop() == exits.OK
        assert await system.progress() == 60

        own_server.resume()
        system.etl.start()
        await system.until(system.caught_up)
    finally:
        system.etl.stop()

    await system.check()


async def announced(system: System) -> bool:
    """Say whether a batch of every partition is on its way."""
    async with open_log_admin(system.log) as admin:
        commits = await admin.committed_by(system.log.group, system.log.topic)
    return all(intent_of(commits[partition]) for partition in range(system.log.partitions))


async def said(system: System, word: str) -> bool:
    return word in system.etl.said()


# --- starting


async def test_started_before_the_tables_are_there_it_waits_for_them(tmp_path, bare_database):
    system = System(folder=tmp_path, warehouse=bare_database)
    await system.make_topics()
    await system.append(5)
    starting = asyncio.create_task(asyncio.to_thread(system.etl.start))
    try:
        await system.until(lambda: said(system, "ugc init"))
        assert not starting.done()

        await make_tables(bare_database)
        await starting
        await system.until(system.caught_up)
    finally:
        system.etl.kill()
        await asyncio.wait({starting})

    await system.check()


async def test_started_before_the_topics_are_there_it_waits_for_them(tmp_path, fresh_database):
    system = System(folder=tmp_path, warehouse=fresh_database)
    starting = asyncio.create_task(asyncio.to_thread(system.etl.start))
    try:
        await system.until(lambda: said(system, "ugc init"))
        assert not starting.done()

        await system.make_topics()
        await starting
        await system.append(5)
        await system.until(system.caught_up)
    finally:
        system.etl.kill()
        await asyncio.wait({starting})

    await system.check()


async def test_told_to_stop_while_it_waits_to_start_it_ends_at_once(tmp_path, bare_database):
    system = System(folder=tmp_path, warehouse=bare_database)
    await system.make_topics()
    starting = asyncio.create_task(asyncio.to_thread(system.etl.start))
    await system.until(lambda: said(system, "trying_again"))

    assert system.etl.stop() == exits.OK
    await asyncio.wait({starting})
    assert starting.exception()  # it never said that it is ready


async def run_to_its_end(system: System, **settings: str) -> int:
    """Run a pipeline that ends by itself; return its exit code."""
    other = Etl(system.settings | settings, errors=system.folder / "other.stderr")
    process = await asyncio.create_subprocess_exec(
        *other.command,
        env=other.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            _, text = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    (system.folder / "other.stderr").write_bytes(text)
    return process.returncode or 0


def last_words(system: System) -> str:
    return (system.folder / "other.stderr").read_text("utf-8").strip().split("\n")[-1]


async def test_a_second_pipeline_of_one_group_says_that_the_log_is_in_use(system):
    system.etl.start()

    assert await run_to_its_end(system) == exits.BAD_CONFIGURATION
    assert "in use by another process" in last_words(system)


async def test_an_unknown_setting_stops_the_start(system):
    assert await run_to_its_end(system, UGC_ETL__MAX_ROW="5") == exits.BAD_CONFIGURATION
    assert "max_row" in last_words(system).lower()


async def test_a_metrics_port_that_is_taken_stops_the_start(system):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        assert await run_to_its_end(system, UGC_ETL__METRICS_PORT=port) == exits.BAD_CONFIGURATION
        assert "UGC_ETL__METRICS_PORT" in last_words(system)


async def test_a_poisoned_log_stops_it_loudly_with_nothing_committed(system):
    await system.append(0, bad=60)

    assert await run_to_its_end(system, UGC_ETL__MAX_BAD_IN_A_ROW="3") == exits.FAILURE
    assert "UGC_ETL__MAX_BAD_IN_A_ROW" in last_words(system)
    assert await system.progress() == 0


async def test_a_table_that_refuses_everything_stops_it_and_mended_it_takes_all(system):
    """Changed by hand: no report can be stored, and none may be set aside for that."""
    async with open_warehouse(system.warehouse) as warehouse:
        await warehouse.execute("ALTER TABLE views_raw ADD CONSTRAINT none CHECK progress_ms < 0")
    await system.append(60)

    assert await run_to_its_end(system, UGC_ETL__MAX_BAD_IN_A_ROW="5") == exits.FAILURE
    assert "ugc init --plan" in last_words(system)
    assert await system.progress() == 0
    assert await system.letters() == []

    async with open_warehouse(system.warehouse) as warehouse:
        await warehouse.execute("ALTER TABLE views_raw DROP CONSTRAINT none")
    system.etl.start()
    await system.until(system.caught_up)
    await system.check()
