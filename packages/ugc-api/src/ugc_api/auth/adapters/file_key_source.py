"""A key set in a file."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ugc_api.auth.ports import MOST_BYTES, KeySource, KeySourceError

_TIMEOUT_S = 5.0


class FileKeySource:
    """Reads the file whole at each call: its time may stay the same where its content does not."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self._path = path
        self._busy = False

    @property
    def where(self) -> str:
        """The path."""
        return str(self._path)

    async def fetch(self) -> bytes:
        """Return the content.

        Raises:
            KeySourceError: It cannot be read, or is too large.
        """
        if self._busy:
            msg = f"cannot read {self._path}: an earlier try still waits for it"
            raise KeySourceError(msg)
        loop = asyncio.get_running_loop()
        reading: asyncio.Future[bytes] = loop.create_future()
        self._busy = True
        # Not a thread of the executor: the end of the process would wait for one that hangs.
        threading.Thread(target=self._run, args=(loop, reading), daemon=True).start()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                found = await reading
        except OSError as error:  # a TimeoutError is one
            msg = f"cannot read {self._path}: {error.strerror or 'it takes too long'}"
            raise KeySourceError(msg) from error
        if len(found) > MOST_BYTES:
            msg = f"{self._path} has more than {MOST_BYTES} bytes"
            raise KeySourceError(msg)
        return found

    def _run(self, loop: asyncio.AbstractEventLoop, reading: "asyncio.Future[bytes]") -> None:
        found: bytes | Exception
        try:
            found = self._read()
        except Exception as error:
            found = error
        with suppress(RuntimeError):  # the loop has gone without us
            loop.call_soon_threadsafe(self._settle, reading, found)

    def _settle(self, reading: "asyncio.Future[bytes]", found: bytes | Exception) -> None:
        self._busy = False
        if reading.done():  # nobody waits any more
            return
        if isinstance(found, bytes):
            reading.set_result(found)
        else:
            reading.set_exception(found)

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(MOST_BYTES + 1)


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _port: type[KeySource] = FileKeySource
