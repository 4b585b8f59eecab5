"""The product's own tables on a current cluster, wherever Docker is; see infra/README.md.

What 18.16 cannot show: Replicated tables with tokens and derived tables, FINAL and views through
Distributed, mutations on every replica, a current ON CLUSTER.
"""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from tests.conftest import MakeEvent
from tests.requirements import lacking
from ugc_cli import setup
from ugc_core.bootstrap import open_warehouse
from ugc_core.codec import log_key
from ugc_core.errors import UgcError, WarehouseUnavailableError
from ugc_core.events import Event
from ugc_core.partitioner import partition_for
from ugc_core.settings import LogSection, Settings, WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_core.warehouse import Answer, ShardedWarehouse
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.erasures import ErasedUser
from ugc_etl.rows import Rows, Source

COMPOSE = Path(__file__).parents[2] / "infra" / "clickhouse" / "compose.proof.yaml"
DEADLINE_S = 120
"""Longest wait for what should happen, in seconds."""
PARTITIONS = 4
SECTION = WarehouseSection(
    url="clickhouse://127.0.0.1:19001,127.0.0.1:19003/movies?cluster=company_cluster",
    insert_timeout_s=30.0,
)

pytestmark = pytest.mark.timeout(900)


class Compose:
    """The services of the proof."""

    def __call__(self, *words: str) -> None:
        subprocess.run(["docker", "compose", "-f", str(COMPOSE), *words], check=True, timeout=600)


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    """A cluster that exists for this module alone."""
    if not _docker_works():
        why = "docker compose does not work: Replicated + tokens + views stay unproven"
        lacking("docker", why)
    docker = Compose()
    docker("up", "--detach")
    try:
        yield docker
    finally:
        docker("down", "--volumes")


def _docker_works() -> bool:
    if shutil.which("docker") is None:
        return False
    asked = (["docker", "compose", "version"], ["docker", "info"])
    return all(
        subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0
        for words in asked
    )


@pytest.fixture
def tables(compose: Compose, tmp_path: Path) -> Iterator[Settings]:
    """Every table, new, on every node."""
    log = LogSection(url=f"sqlite:///{tmp_path}/log.db", partitions=PARTITIONS)
    settings = Settings(log=log, warehouse=SECTION)
    asyncio.run(until_done(lambda: setup.apply(settings)))
    yield settings
    compose("up", "--detach", "--wait")
    asyncio.run(until_done(drop))


async def drop() -> None:
    async with open_warehouse(SECTION, database="default") as warehouse:
        await warehouse.define("DROP DATABASE IF EXISTS movies ON CLUSTER company_cluster SYNC")


async def until_done(action: Callable[[], Awaitable[object]]) -> None:
    """Repeat what the warehouse is not available for."""
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            await action()
        except WarehouseUnavailableError:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.5)
        else:
            return


def by_partition(events: Sequence[Event]) -> dict[int, Rows]:
    """Lay reports out as the log does."""
    found: dict[int, list[Event]] = {}
    for event in events:
        found.setdefault(partition_for(log_key(event.user_id), PARTITIONS), []).append(event)
    return {
        partition: Rows(partition, some, [Source(n, 0, b"{}") for n in range(len(some))])
        for partition, some in found.items()
    }


def store_of(warehouse: ShardedWarehouse) -> ClickHouseStore:
    return ClickHouseStore(warehouse, warehouse_target(SECTION.url))


async def numbers(warehouse: ShardedWarehouse) -> dict[str, object]:
    """Return what must not change when a batch is repeated."""
    return {
        "reports": {
            row[0] for row in (await warehouse.read("SELECT event_id FROM movies.views")).rows
        },
        "rows": (await warehouse.read("SELECT count() FROM movies.views_raw")).rows,
        "seconds": (
            await warehouse.read(
                "SELECT user_id, bitmapCardinality(groupBitmapMergeState(seconds)) AS watched"
                " FROM movies.playback GROUP BY user_id ORDER BY user_id"
            )
        ).rows,
        "resumable": (
            await warehouse.read(
                "SELECT user_id, argMaxMerge(point).1 FROM movies.resume_points"
                " GROUP BY user_id ORDER BY user_id"
            )
        ).rows,
    }


async def test_init_makes_every_table_on_every_node_and_then_has_nothing_to_do(tables):
    assert await setup.plan(tables) == []
    async with open_warehouse(SECTION) as warehouse:
        there = await warehouse.read_each(
            "SELECT name FROM system.tables WHERE database = 'movies' ORDER BY name"
        )
    lists = [answer.rows for answer in there.values() if isinstance(answer, Answer)]
    assert len(lists) == 4
    assert all(rows == lists[0] for rows in lists)
    assert ("views_raw_local",) in lists[0]


async def test_a_node_that_lost_a_view_and_a_column_is_named_and_mended(tables):
    there = WarehouseSection(url="clickhouse://127.0.0.1:19004/movies")
    async with open_warehouse(there) as node:
        await node.execute("DROP VIEW views")
        await node.execute("ALTER TABLE views_raw DROP COLUMN device")

    planned = [step.summary for step in await setup.plan(tables) if step.where == "warehouse"]
    await setup.apply(tables)

    assert [summary.split(": ")[0] for summary in planned] == [
        "column movies.views_raw.device is missing on 127.0.0.1:19004",
        "view movies.views is missing on 127.0.0.1:19004",
    ]
    assert not [step for step in await setup.plan(tables) if step.where == "warehouse"]


async def test_users_lie_on_the_shard_that_their_partition_feeds(tables, make_event: MakeEvent):
    events = [make_event(user=user) for user in range(1, 201)]
    async with open_warehouse(SECTION) as warehouse:
        for rows in by_partition(events).values():
            await store_of(warehouse).insert(rows, token=f"users {rows.partition}")
        answer = await warehouse.read(
            "SELECT count() FROM cluster('company_cluster', movies.views_raw_local)"
            " WHERE kafkaMurmurHash(toString(user_id)) % 2 != _shard_num - 1"
        )
        found = await numbers(warehouse)

    assert answer.rows == [(0,)]
    assert found["reports"] == {event.event_id for event in events}


async def test_a_batch_repeated_on_the_other_replica_changes_no_number(
    compose, tables, make_event: MakeEvent
):
    events = [make_event(user=user, watched_from=100.0) for user in range(1, 101)]
    batches = by_partition(events)
    async with open_warehouse(SECTION) as warehouse:
        for rows in batches.values():
            await store_of(warehouse).insert(rows, token=f"once {rows.partition}")
        before = await numbers(warehouse)
        compose("kill", "--signal", "SIGKILL", "node1", "node4")
        for rows in batches.values():

            async def again(rows: Rows = rows) -> None:
                await store_of(warehouse).insert(rows, token=f"once {rows.partition}")

            await until_done(again)
        assert await numbers(warehouse) == before
    assert before["rows"] == [(100,)]


async def test_a_replica_that_dies_loses_nothing_and_catches_up(
    compose, tables, make_event: MakeEvent
):
    sent: set[UUID] = set()
    async with open_warehouse(SECTION) as warehouse:
        for round_, node in enumerate(["node1", "node2", "node3", "node4"]):
            compose("kill", "--signal", "SIGKILL", node)
            events = [make_event(user=user) for user in range(1, 51)]
            for rows in by_partition(events).values():

                async def store(rows: Rows = rows, round_: int = round_) -> None:
                    await store_of(warehouse).insert(rows, token=f"{round_} {rows.partition}")

                await until_done(store)
            sent |= {event.event_id for event in events}
            compose("start", node)

        await until_done(lambda: warehouse.read("SELECT count() FROM movies.views"))
        for table in ("views_raw_local", "playback_local", "resume_points_local"):
            await until_done(
                lambda table=table: warehouse.execute_on_shards(  # type: ignore[misc]
                    f"SYSTEM SYNC REPLICA movies.{table}"
                )
            )
        found = await numbers(warehouse)
    assert found["reports"] == sent


async def test_a_dead_shard_holds_back_its_partitions_alone(compose, tables, make_event: MakeEvent):
    batches = by_partition([make_event(user=user) for user in range(1, 51)])
    compose("kill", "--signal", "SIGKILL", "node3", "node4")
    async with open_warehouse(SECTION) as warehouse:
        for partition, rows in batches.items():
            if partition % 2 == 0:
                await until_done(lambda rows=rows: store_of(warehouse).insert(rows, token="a"))  # type: ignore[misc]
            else:
                with pytest.raises(WarehouseUnavailableError, match="shard 2"):
                    await store_of(warehouse).insert(rows, token="b")


async def test_an_erasure_leaves_nothing_on_any_node(tables, make_event: MakeEvent):
    user = UUID(int=7)
    batches = by_partition([make_event(user=7), make_event(user=8)])
    erasure = ErasedUser(
        user_id=user,
        partition=partition_for(log_key(user), PARTITIONS),
        offset=10,
        requested_ms=1,
    )
    async with open_warehouse(SECTION) as warehouse:
        for rows in batches.values():
            await store_of(warehouse).insert(rows, token=f"erased {rows.partition}")
        await store_of(warehouse).erase(erasure)
        left: dict[str, Answer | UgcError] = {}
        for table in ("views_raw_local", "playback_local", "resume_points_local"):
            sql = f"SELECT count() FROM movies.{table} WHERE user_id = toUUID('{user}')"
            said = await warehouse.read_each(sql)
            left |= {f"{node} {table}": answer for node, answer in said.items()}
        known = await store_of(warehouse).erased()

    assert {isinstance(one, Answer) and one.rows[0] for one in left.values()} == {(0,)}
    assert known.is_done(erasure)
