"""What every store of the pipeline promises (ugc_etl/ports.py), proved for each of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.events import valid_event
from tests.integration.conftest import make_tables
from tests.integration.processes import ChdbServer
from ugc_core.bootstrap import open_warehouse
from ugc_core.codec import encode_event
from ugc_core.errors import RowsRefusedError, WarehouseUnavailableError
from ugc_core.events import Event
from ugc_core.settings import WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import Warehouse
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.adapters.memory_store import MemoryStore
from ugc_etl.erasures import ErasedUser
from ugc_etl.ports import LedgerEntry, Range, ViewsStore
from ugc_etl.rows import Rows, Source

NOW_MS = 1_767_225_600_000

Kept = dict[UUID, tuple[int, int]]
"""By event: its playhead, and when it was accepted."""


class Store(NamedTuple):
    """A store, and how a test looks into it."""

    port: ViewsStore
    events: Callable[[], Any]
    resumable: Callable[[], Any]
    ledger: Callable[[], Any]


OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens the store; a second call opens the same one again, after a crash."""

_databases = count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbServer]:
    """The warehouse's server, which a test may kill and start again."""
    found = ChdbServer(tmp_path_factory.mktemp("store") / "data")
    found.start()
    yield found
    found.kill()


@pytest.fixture(params=["memory", "clickhouse"])
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    """One adapter per test run; the test never learns which."""
    if request.param == "memory":
        memory = MemoryStore()
        return lambda: memory_store(memory)
    found: ChdbServer = request.getfixturevalue("server")
    return crashing(found, fresh(found))


def fresh(server: ChdbServer) -> WarehouseSection:
    """Make a database with all tables."""
    url = f"clickhouse://127.0.0.1:{server.port}/store_{next(_databases)}"
    section = WarehouseSection(url=url)
    asyncio.run(make_tables(section))
    return section


def crashing(server: ChdbServer, section: WarehouseSection) -> OpenStore:
    """Return what opens a store whose server is killed before each opening but the first."""
    openings = count()

    def opened() -> AbstractAsyncContextManager[Store]:
        if next(openings):
            server.kill()
            server.start()
        return clickhouse_store(section)

    return opened


@asynccontextmanager
async def memory_store(store: MemoryStore) -> AsyncIterator[Store]:
    async def events() -> Kept:
        return {e.event_id: (e.progress_ms, e.received_at) for e in store.events}

    async def resumable() -> set[tuple[UUID, UUID]]:
        return {(e.user_id, e.film_id) for e in store.events}

    async def ledger() -> list[LedgerEntry]:
        return sorted(store.ledger.values(), key=lambda entry: (entry.partition, entry.range))

    yield Store(store, events, resumable, ledger)


@asynccontextmanager
async def clickhouse_store(section: WarehouseSection) -> AsyncIterator[Store]:
    async with open_warehouse(section) as warehouse:

        async def events() -> Kept:
            found = await select(
                warehouse,
                "SELECT event_id, progress_ms, toUnixTimestamp64Milli(received_at) FROM views",
            )
            return {event_id: tuple(rest) for event_id, *rest in found}

        async def resumable() -> set[tuple[UUID, UUID]]:
            played = await select(warehouse, "SELECT DISTINCT user_id, film_id FROM playback")
            found = await select(warehouse, "SELECT DISTINCT user_id, film_id FROM resume_points")
            assert {*played} == {*found}
            return {*found}

        async def ledger() -> list[LedgerEntry]:
            found = await select(
                warehouse,
                "SELECT topic, partition, first_offset, last_offset, records, lines, stored, dead,"
                " erased, content_hash FROM ingested FINAL ORDER BY 1, 2, 3, 4",
            )
            return [entry(*row) for row in found]

        store = ClickHouseStore(warehouse, warehouse_target(section.url))
        yield Store(store, events, resumable, ledger)


async def select(warehouse: Warehouse, sql: str) -> Sequence[Any]:
    return (await warehouse.read(sql)).rows


# --- builders


def event(number: int = 1, **changes: object) -> Event:
    return valid_event(UUID(int=number), **changes)


def rows(*events: Event, partition: int = 0) -> Rows:
    sources = [Source(0, number, encode_event(each)) for number, each in enumerate(events)]
    return Rows(partition, events, sources)


def entry(
    topic: str = "views",
    partition: int = 0,
    first: int = 0,
    last: int = 9,
    *counts: Any,
) -> LedgerEntry:
    records, lines, stored, dead, erased, content_hash = counts or (10, 12, 9, 2, 1, "abc")
    return LedgerEntry(
        topic=topic,
        partition=partition,
        range=Range(first=first, last=last),
        records=records,
        lines=lines,
        stored=stored,
        dead=dead,
        erased=erased,
        content_hash=content_hash,
    )


# --- durable


@pytest.mark.guarantee("STORE-1")
async def test_what_was_inserted_is_there_after_a_crash_raw_and_derived(open_store):
    async with open_store() as store:
        await store.port.insert(rows(event(1), event(2, user_id=UUID(int=2))), token="a")
        await store.port.record(entry())

    async with open_store() as store:
        assert await store.events() == {UUID(int=n): (120_000, NOW_MS) for n in (1, 2)}
        assert await store.resumable() == {(UUID(int=n), UUID(int=7)) for n in (1, 2)}
        assert await store.ledger() == [entry()]


@pytest.mark.guarantee("STORE-1")
@pytest.mark.guarantee("STORE-2")
async def test_what_was_inserted_before_a_crash_may_be_inserted_again_after_it(open_store):
    async with open_store() as store:
        await store.port.insert(rows(event(1)), token="a")

    async with open_store() as store:
        await store.port.insert(rows(event(1)), token="a")
        await store.port.insert(rows(event(1)), token="b")
        assert await store.events() == {UUID(int=1): (120_000, NOW_MS)}


# --- once


@pytest.mark.guarantee("STORE-2")
async def test_a_report_is_kept_once_in_whatever_batches_it_comes(open_store):
    async with open_store() as store:
        await store.port.insert(rows(event(1), event(2), event(3)), token="a")
        await store.port.insert(rows(event(1), event(2), event(3)), token="a")
        await store.port.insert(rows(event(3), event(4)), token="b")
        await store.port.insert(rows(event(2), event(2)), token="c")

        assert {*await store.events()} == {UUID(int=n) for n in (1, 2, 3, 4)}


@pytest.mark.guarantee("STORE-2")
@pytest.mark.parametrize("other", [{"user_id": 9}, {"profile_id": 9}, {"film_id": 9}], ids=str)
async def test_an_id_names_a_report_of_one_viewer_and_film_alone(open_store, other):
    changes = {name: UUID(int=number) for name, number in other.items()}
    async with open_store() as store:
        await store.port.insert(rows(event(1), event(1, received_at=0, **changes)), token="a")

        assert {*await store.events()} == {UUID(int=1)}
        assert len(await store.resumable()) == (1 if "profile_id" in other else 2)


@pytest.mark.guarantee("STORE-2")
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("together", [True, False])
async def test_of_two_copies_the_first_accepted_one_wins(open_store, first, together):
    copies = [event(1), event(1, progress=5.0, received_at=NOW_MS + 1)]
    ordered = copies if first == 0 else copies[::-1]
    async with open_store() as store:
        for number, some in enumerate([ordered] if together else [[copy] for copy in ordered]):
            await store.port.insert(rows(*some), token=f"{number}")

        assert await store.events() == {UUID(int=1): (120_000, NOW_MS)}


@pytest.mark.guarantee("STORE-3")
async def test_an_entry_is_kept_once_by_its_range(open_store):
    entries = [
        entry(first=0, last=9),
        entry(first=10, last=10),
        entry(partition=1, first=0, last=9),
    ]
    async with open_store() as store:
        for each in [*entries, *entries, entries[0]]:
            await store.port.record(each)

        assert await store.ledger() == entries


@pytest.mark.guarantee("STORE-3")
async def test_the_ledger_knows_how_far_each_partition_has_come(open_store):
    async with open_store() as store:
        topic = entry(first=0, last=9).topic
        assert await store.port.reached(topic, 0) is None

        for each in (entry(first=0, last=9), entry(first=10, last=14), entry(first=3, last=4)):
            await store.port.record(each)

        assert await store.port.reached(topic, 0) == 15
        assert await store.port.reached(topic, 1) is None
        assert await store.port.reached("another", 0) is None


# --- forgotten

FORGOTTEN, OTHER = UUID(int=1), UUID(int=2)
ERASURE = ErasedUser(user_id=FORGOTTEN, partition=0, offset=5, requested_ms=NOW_MS)


@pytest.mark.guarantee("STORE-4")
async def test_after_an_erasure_nothing_of_the_user_is_left_and_others_are_as_before(open_store):
    async with open_store() as store:
        await store.port.insert(rows(event(1), event(2, user_id=OTHER)), token="a")
        await store.port.insert(rows(event(3, film_id=UUID(int=8))), token="b")

        await store.port.erase(ERASURE)

        assert {*await store.events()} == {UUID(int=2)}
        assert await store.resumable() == {(OTHER, UUID(int=7))}


@pytest.mark.guarantee("STORE-4")
async def test_an_erasure_survives_a_crash_and_is_known_to_be_done(open_store):
    async with open_store() as store:
        await store.port.insert(rows(event(1)), token="a")
        await store.port.erase(ERASURE)

    async with open_store() as store:
        known = await store.port.erased()
        assert await store.events() == {}
        assert known.is_done(ERASURE)
        assert known.hides(event(1), partition=0, offset=4)
        assert not known.hides(event(1), partition=0, offset=6)
        assert not known.hides(event(1, user_id=OTHER), partition=0, offset=4)


@pytest.mark.guarantee("STORE-4")
async def test_what_a_user_reports_after_an_erasure_is_kept(open_store):
    async with open_store() as store:
        await store.port.insert(rows(event(1)), token="a")
        await store.port.erase(ERASURE)
        await store.port.insert(rows(event(9)), token="c")

        assert {*await store.events()} == {UUID(int=9)}
        assert await store.resumable() == {(FORGOTTEN, UUID(int=7))}


async def test_a_store_without_erasures_hides_nothing(open_store):
    async with open_store() as store:
        assert not await store.port.erased()


# --- the real one against the reference

inserts = st.lists(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 2)), min_size=1, max_size=5), max_size=6
)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(inserts)
def test_clickhouse_keeps_what_memory_keeps(server, plan):
    asyncio.run(compare(fresh_for_examples(server), plan))


def fresh_for_examples(server: ChdbServer) -> WarehouseSection:
    return WarehouseSection(url=f"clickhouse://127.0.0.1:{server.port}/store_{next(_databases)}")


async def compare(section: WarehouseSection, plan: list[list[tuple[int, int]]]) -> None:
    await make_tables(section)
    async with memory_store(MemoryStore()) as memory, clickhouse_store(section) as clickhouse:
        for pairs in plan:
            some = rows(*(event(n, progress=float(late), received_at=late) for n, late in pairs))
            for store in (memory, clickhouse):
                await store.port.insert(some, token=repr(pairs))

        assert await clickhouse.events() == await memory.events()
        assert await clickhouse.resumable() == await memory.resumable()


# --- what only a server can do


async def test_a_server_that_is_down_is_unavailable_and_the_same_calls_work_later(server):
    section = WarehouseSection(url=f"clickhouse://127.0.0.1:{server.port}/store_down")
    await make_tables(section)
    async with clickhouse_store(section) as store:
        server.kill()
        with pytest.raises(WarehouseUnavailableError):
            await store.port.insert(rows(event(1)), token="a")
        with pytest.raises(WarehouseUnavailableError):
            await store.port.record(entry())

        server.start()
        await store.port.insert(rows(event(1)), token="a")
        await store.port.record(entry())
        assert {*await store.events()} == {UUID(int=1)}
        assert await store.ledger() == [entry()]


async def test_rows_that_can_never_be_stored_are_refused_and_none_of_them_is_kept(server):
    section = WarehouseSection(url=f"clickhouse://127.0.0.1:{server.port}/store_refused")
    await make_tables(section)
    unfit = msgspec.structs.replace(event(2), clock_offset_ms=2**63 - NOW_MS)
    async with clickhouse_store(section) as store:
        with pytest.raises(RowsRefusedError):
            await store.port.insert(rows(event(1), unfit), token="a")

        assert await store.events() == {}
