"""The warehouse's ports: statements, reads and columnar inserts on ClickHouse."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from ugc_core.errors import UgcError

Column = Sequence[object]
Settings = Mapping[str, str | int]


class Answer(Struct, frozen=True, kw_only=True):
    """What a read returns.

    Attributes:
        names: Column names, in order.
        types: ClickHouse's type of each column.
        rows: One tuple a row.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]


class Warehouse(Protocol):
    """One ClickHouse server or cluster, with a deadline on every call.

    Every method raises `WarehouseUnavailableError` when the server is down, overloaded,
    read-only or silent past the deadline: the same call may work later.
    """

    async def read(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Settings | None = None,
    ) -> Answer:
        """Run one reading statement.

        Args:
            sql: With `{name:Type}` for each parameter, as ClickHouse writes them.
            parameters: Values by name; they are sent as query parameters, never pasted in.
            settings: ClickHouse settings of this statement alone.

        Raises:
            QueryRefusedError: The server understood and refused.
        """

    async def execute(self, sql: str, *, settings: Settings | None = None) -> None:
        """Run one statement that returns nothing.

        Raises:
            QueryRefusedError: The server understood and refused.
        """

    async def insert(
        self, table: str, columns: Mapping[str, Column], *, settings: Settings
    ) -> None:
        """Insert columns of equal length; a repeated token does it once.

        Returns only when the server has said that the insert is complete.

        Args:
            table: Table name, without the database.
            columns: Values by column name.
            settings: At least `insert_deduplication_token` where a repeat is possible.

        Raises:
            RowsRefusedError: These rows can never be stored.
            SchemaMismatchError: The table or one of the columns is not there.
            QueryRefusedError: The server refused for another lasting reason.
        """


class Shards(Protocol):
    """The nodes behind the Distributed tables; a single server is one shard of one node.

    Every method raises `WarehouseUnavailableError` like those of `Warehouse`.
    """

    async def shards(self) -> int:
        """Return how many shards there are.

        Raises:
            ConfigError: The cluster is not there, or not one that we can write to.
        """

    async def insert_for(
        self, partition: int, table: str, columns: Mapping[str, Column], *, settings: Settings
    ) -> None:
        """Insert into a table of the shard that a partition of the log feeds.

        One replica after the other is asked, with the same settings and so the same token;
        it returns once enough replicas hold the rows. When it raises that the shard is not
        available, other shards may well be.

        Args:
            partition: The partition; its shard is partition mod shards.
            table: Name of a node's own table, without the database.
            columns: Values by column name.
            settings: As for `Warehouse.insert`.

        Raises:
            RowsRefusedError: These rows can never be stored.
            SchemaMismatchError: The table or one of the columns is not there.
            QueryRefusedError: The server refused for another lasting reason.
        """

    async def execute_on_shards(self, sql: str, *, settings: Settings | None = None) -> None:
        """Run a statement on a replica of every shard; return once all have done it.

        Raises:
            QueryRefusedError: A server understood and refused.
        """

    async def read_each(self, sql: str) -> Mapping[str, Answer | UgcError]:
        """Run a reading statement on every node; return by `host:port` what each said.

        What a node refuses is a `QueryRefusedError` among the answers, and a node that does
        not answer a `WarehouseUnavailableError`.
        """

    async def define(self, sql: str) -> None:
        """Run a statement that makes or changes tables; return once every node has done it.

        Raises:
            QueryRefusedError: A node understood and refused; the message names it.
        """


class ShardedWarehouse(Warehouse, Shards, Protocol):
    """A warehouse whose shards can be written to one by one."""


async def insert_on_every_shard(
    warehouse: Shards, table: str, columns: Mapping[str, Column], *, settings: Settings
) -> None:
    """Insert the same rows into each shard's own table, so that any node can answer alone."""
    for shard in range(await warehouse.shards()):
        await warehouse.insert_for(shard, table, columns, settings=settings)
