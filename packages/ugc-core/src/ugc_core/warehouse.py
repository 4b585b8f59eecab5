"""The warehouse's port: statements, reads and columnar inserts on ClickHouse."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

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
