"""A key set in a file."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from ugc_api.auth.ports import KeySource, KeySourceError

_MOST_BYTES = 262_144
_TIMEOUT_S = 5.0


class FileKeySource:
    """Reads the file whole at each call: its time may stay the same where its content does not."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self._path = path

    @property
    def where(self) -> str:
        """The path."""
        return str(self._path)

    async def fetch(self) -> bytes:
        """Return the content.

        Raises:
            KeySourceError: It cannot be read, or is too large.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                found = await asyncio.to_thread(self._read)
        except OSError as error:  # a TimeoutError is one
            msg = f"cannot read {self._path}: {error.strerror or 'it takes too long'}"
            raise KeySourceError(msg) from error
        if len(found) > _MOST_BYTES:
            msg = f"{self._path} has more than {_MOST_BYTES} bytes"
            raise KeySourceError(msg)
        return found

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _port: type[KeySource] = FileKeySource
