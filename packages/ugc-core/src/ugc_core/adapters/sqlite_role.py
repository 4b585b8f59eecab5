"""What the roles have in common that need nothing but the SQLite log's file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from ugc_core.adapters.sqlite_file import SqliteFile
from ugc_core.settings import LogSection


class SqliteRole:
    """One role around one file."""

    def __init__(self, file: SqliteFile) -> None:
        """Use `open`; this only wires."""
        self._file = file

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, settings: LogSection) -> AsyncIterator[Self]:
        """Open the file, making it if need be.

        Raises:
            LogDamagedError: The file is corrupt.
            LogUnavailableError: It cannot be opened.
        """
        async with SqliteFile.open(path, timeout_s=settings.call_timeout_s) as file:
            yield cls(file)
