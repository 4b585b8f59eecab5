"""Rows and the ledger in ClickHouse, through the warehouse port."""

from typing import TYPE_CHECKING

from ugc_core.migrations import local_suffix
from ugc_core.urls import WarehouseTarget
from ugc_core.warehouse import Column, Settings, Warehouse
from ugc_etl.ports import LedgerEntry, ViewsStore
from ugc_etl.rows import Rows


class ClickHouseStore:
    """Writes to the local tables of one node, never through a Distributed one.

    A Distributed table acknowledges before its shards hold the rows, and what a token means
    across shards is not defined.
    """

    def __init__(self, warehouse: Warehouse, target: WarehouseTarget) -> None:
        """Write to the tables of `target`."""
        self._warehouse = warehouse
        self._local = local_suffix(target)

    async def insert(self, rows: Rows, *, token: str) -> None:
        """Insert all rows as one block under the token."""
        settings: Settings = {"insert_deduplication_token": token, "insert_deduplicate": 1}
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
        await self._warehouse.insert(f"ingested{self._local}", columns, settings={})


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _store: type[ViewsStore] = ClickHouseStore
