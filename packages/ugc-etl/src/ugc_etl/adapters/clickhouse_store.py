"""Rows and the ledger in ClickHouse, through the warehouse port."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from ugc_core.binding import quote
from ugc_core.errors import UgcError
from ugc_core.migrations import local_suffix
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Answer, Column, Settings, ShardedWarehouse, insert_on_every_shard
from ugc_etl.erasures import ErasedUser, ErasedUsers, read_erased_everywhere
from ugc_etl.ports import LedgerEntry, ViewsStore
from ugc_etl.rows import Rows

UNHIDDEN: Settings = {"deduplicate_insert": "disable", "insert_deduplicate": 0}
"""For what is single by its keys. What ClickHouse remembers of a block, with or without a token,
outlives its rows: hidden as a repeat, a note or a report that was deleted would never come back.
Since 26.2 the first setting alone counts, before it the second."""
_TABLES_WITH_USERS = ("views_raw", "playback", "resume_points")


class ClickHouseStore:
    """Writes to the tables of a partition's own shard, never through a Distributed one.

    A Distributed table acknowledges before its shards hold the rows, and what a token means
    across shards is not defined. Rows and ledger of a partition lie on its shard; who is to be
    forgotten is noted on every shard, so that any of them can say so while others are down.
    """

    def __init__(
        self,
        warehouse: ShardedWarehouse,
        target: WarehouseTarget,
        *,
        check: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        """Write to the tables of `target`.

        Args:
            warehouse: The warehouse.
            target: Names its database, and says whether it is a cluster.
            check: Told of a partition before its rows are written; may refuse it.
        """
        self._warehouse = warehouse
        self._database = target.database
        self._local = local_suffix(target)
        self._check = check

    async def insert(self, rows: Rows, *, token: str) -> None:
        """Insert all rows as one block under the token."""
        if self._check is not None:
            await self._check(rows.partition)
        settings = UNHIDDEN
        if token:
            settings = {"insert_deduplication_token": token, "insert_deduplicate": 1}
        columns = {
            name: column for name, column in rows.columns().items() if _is_filled(name, column)
        }
        await self._warehouse.insert_for(
            rows.partition, f"views_raw{self._local}", columns, settings=settings
        )

    async def record(self, entry: LedgerEntry) -> None:
        """Insert the entry; a repeat has the same key."""
        columns: dict[str, Column] = {
            "topic": [entry.topic],
            "partition": [entry.partition],
            "first_offset": [entry.range.first],
            "last_offset": [entry.range.last],
            "records": [entry.records],
            "lines": [entry.lines],
            "stored": [entry.stored],
            "dead": [entry.dead],
            "erased": [entry.erased],
            "content_hash": [entry.content_hash],
        }
        await self._warehouse.insert_for(
            entry.partition, f"ingested{self._local}", columns, settings=UNHIDDEN
        )

    async def reached(self, topic: str, partition: int) -> int | None:
        """Ask every node for what it has: those of other shards may be down.

        Raises:
            WarehouseUnavailableError: No node answered.
        """
        answers = await self._warehouse.read_each(
            f"SELECT max(last_offset) + 1 FROM ingested{self._local}"  # noqa: S608 - quoted
            f" WHERE topic = {quote(topic)} AND partition = {partition:d} HAVING count() > 0"
        )
        failures = [found for found in answers.values() if isinstance(found, UgcError)]
        if len(failures) == len(answers):
            raise failures[0]
        said = [found for found in answers.values() if isinstance(found, Answer)]
        ends = (msgspec.convert(row[0], int) for found in said for row in found.rows)
        return max(ends, default=None)

    async def erase(self, erasure: ErasedUser) -> None:
        """Note it, delete the user from each table, note that it is done.

        The deletions rewrite the parts that hold the user (mutations), so that nothing of
        the user is left on the disk once old parts are dropped; on a cluster every replica
        of every shard has done so when they return.
        """
        await self._note(erasure, erased_ms=0)
        user = quote(str(erasure.user_id))
        for table in _TABLES_WITH_USERS:
            name = f"{self._database}.{table}{self._local}"
            await self._warehouse.execute_on_shards(
                f"ALTER TABLE {name} DELETE WHERE user_id = toUUID({user})",
                settings={"mutations_sync": 2},
            )
        await self._note(erasure, erased_ms=max(erasure.requested_ms, 1))

    async def erased(self) -> ErasedUsers:
        """Read the erasures from every node that answers: one alone may lag behind."""
        return await read_erased_everywhere(self._warehouse, f"erasures{self._local}")

    async def _note(self, erasure: ErasedUser, *, erased_ms: int) -> None:
        columns: dict[str, Column] = {
            "user_id": [erasure.user_id],
            "partition": [erasure.partition],
            "offset": [erasure.offset],
            "requested_at": [erasure.requested_ms],
            "erased_at": [erased_ms],
        }
        await insert_on_every_shard(
            self._warehouse, f"erasures{self._local}", columns, settings=UNHIDDEN
        )


def _is_filled(name: str, column: Column) -> bool:
    """Say whether a column has to be sent: a text that no row has is ClickHouse's default."""
    return name != "extra" or any(column)


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _store: type[ViewsStore] = ClickHouseStore
