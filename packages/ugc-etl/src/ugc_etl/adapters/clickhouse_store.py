"""Rows and the ledger in ClickHouse, through the warehouse port."""

from typing import TYPE_CHECKING

from ugc_core.binding import quote
from ugc_core.migrations import local_suffix
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Column, Settings, Warehouse
from ugc_etl.erasures import ErasedUser, ErasedUsers, read_erased
from ugc_etl.ports import LedgerEntry, ViewsStore
from ugc_etl.rows import Rows

UNHIDDEN: Settings = {"deduplicate_insert": "disable", "insert_deduplicate": 0}
"""For what is single by its keys. What ClickHouse remembers of a block, with or without a token,
outlives its rows: hidden as a repeat, a note or a report that was deleted would never come back.
Since 26.2 the first setting alone counts, before it the second."""
_TABLES_WITH_USERS = ("views_raw", "playback", "resume_points")


class ClickHouseStore:
    """Writes to the local tables of one node, never through a Distributed one.

    A Distributed table acknowledges before its shards hold the rows, and what a token means
    across shards is not defined.
    """

    def __init__(self, warehouse: Warehouse, target: WarehouseTarget) -> None:
        """Write to the tables of `target`."""
        self._warehouse = warehouse
        self._database = target.database
        self._local = local_suffix(target)

    async def insert(self, rows: Rows, *, token: str) -> None:
        """Insert all rows as one block under the token."""
        settings = UNHIDDEN
        if token:
            settings = {"insert_deduplication_token": token, "insert_deduplicate": 1}
        await self._warehouse.insert(f"views_raw{self._local}", rows.columns(), settings=settings)

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
        await self._warehouse.insert(f"ingested{self._local}", columns, settings=UNHIDDEN)

    async def erase(self, erasure: ErasedUser) -> None:
        """Note it, delete the user from each table, note that it is done.

        The deletions rewrite the parts that hold the user (mutations), so that nothing of
        the user is left on the disk once old parts are dropped; on a cluster every replica
        has done so when they return.
        """
        await self._note(erasure, erased_ms=0)
        user = quote(str(erasure.user_id))
        for table in _TABLES_WITH_USERS:
            name = f"{self._database}.{table}{self._local}"
            await self._warehouse.execute(
                f"ALTER TABLE {name} DELETE WHERE user_id = toUUID({user})",
                settings={"mutations_sync": 2},
            )
        await self._note(erasure, erased_ms=max(erasure.requested_ms, 1))

    async def erased(self) -> ErasedUsers:
        """Read the erasures."""
        return await read_erased(self._warehouse)

    async def _note(self, erasure: ErasedUser, *, erased_ms: int) -> None:
        columns: dict[str, Column] = {
            "user_id": [erasure.user_id],
            "partition": [erasure.partition],
            "offset": [erasure.offset],
            "requested_at": [erasure.requested_ms],
            "erased_at": [erased_ms],
        }
        await self._warehouse.insert(f"erasures{self._local}", columns, settings=UNHIDDEN)


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _store: type[ViewsStore] = ClickHouseStore
