"""The port: an engine that runs SQL, and one connection to it a client."""

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol


class EngineConnection(Protocol):
    """One session: its settings, its current database, its temporary tables.

    One statement at a time; only `kill` may be called while another call runs. All but
    `kill` and `close` raise `DatabaseError` with ClickHouse's own code and text.

    Every adapter keeps these promises (tests/test_chdb_engine_contract.py):

    ENGINE-1: A chunk of `stream` is one block in `FORMAT Native`, with rows.
    ENGINE-2: An INSERT from a file that fails for any row raises.
    ENGINE-3: `kill` ends what runs on this connection, and nothing else.
    ENGINE-4: What one session sets, no other one sees.
    """

    async def query(self, sql: str, output: str = "Native") -> bytes:
        """Run any statement; return its result, if it has one, in that format."""

    def stream(self, sql: str) -> AsyncGenerator[bytes]:
        """Run a SELECT; close the generator to end it early."""

    async def mark(self) -> None:
        """Make `kill` find this connection again, after it changed its own settings."""

    async def kill(self) -> None:
        """Tell what runs on this connection to stop, without waiting for it."""

    async def close(self) -> None:
        """End the session, once what runs on it has ended."""


class Engine(Protocol):
    """ClickHouse, wherever it runs; everything but `connect` is known from the start."""

    @property
    def version(self) -> str:
        """As ClickHouse writes it, four numbers."""

    @property
    def timezone(self) -> str:
        """Of times without a zone of their own."""

    @property
    def reserved_settings(self) -> frozenset[str]:
        """Names of settings that a client's values must not replace."""

    @property
    def numeric_settings(self) -> Mapping[str, bool]:
        """Every setting's name, and whether old clients write it as a number."""

    async def connect(self) -> EngineConnection:
        """Start a session."""
