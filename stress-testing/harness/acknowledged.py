"""Ids of acknowledged reports, and whether exactly these are stored.

Millions of them would fill the memory of whoever measures memory: they are on disk, in
sixteen files by the last digit, and compared one file at a time.
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Protocol, Self
from uuid import UUID

import msgspec
from msgspec import Struct

from ugc_core.warehouse import Answer

_DIGITS = "0123456789abcdef"
_STORED = "SELECT event_id FROM views WHERE endsWith(toString(event_id), {digit:String})"
_HIDDEN = "SELECT (SELECT count() FROM views_raw) - (SELECT count() FROM views)"
_SIZE = 16


class _Identity(Struct):
    event_id: UUID


class Readable(Protocol):
    """The part of a warehouse that is asked."""

    async def read(self, sql: str, parameters: Mapping[str, object] | None = None) -> Answer:
        """Run one reading statement."""


_decoder = msgspec.json.Decoder(_Identity)


class Verdict(Struct, kw_only=True):
    """What the warehouse has, beside what was acknowledged.

    Attributes:
        acknowledged: Reports that the log has acknowledged.
        stored: Reports in the view that is read.
        missing: Acknowledged and not stored.
        foreign: Stored and never acknowledged.
        twice: Rows of the view beyond the first of each report.
        hidden: Rows of the table that the view leaves out, because they are copies.
    """

    acknowledged: int
    stored: int = 0
    missing: int = 0
    foreign: int = 0
    twice: int = 0
    hidden: int = 0

    @property
    def exact(self) -> bool:
        """Whether every report is there, once, and nothing else."""
        return not (self.missing or self.foreign or self.twice)

    def count(self, want: frozenset[bytes], have: Iterable[bytes]) -> None:
        """Count a part of the reports."""
        seen: set[bytes] = set()
        rows = 0
        for one in have:
            rows += 1
            seen.add(one)
        self.stored += rows
        self.twice += rows - len(seen)
        self.missing += len(want - seen)
        self.foreign += len(seen - want)


class Acknowledged:
    """Takes ids in; opened with `with`, it closes its files at the end."""

    def __init__(self, folder: Path) -> None:
        """Keep the files in a folder of their own."""
        folder.mkdir(parents=True)
        self._paths = [folder / digit for digit in _DIGITS]
        self._files: list[BinaryIO] = []
        self._stack = ExitStack()
        self.count = 0

    def __enter__(self) -> Self:
        """Open the files."""
        self._files = [self._stack.enter_context(path.open("wb")) for path in self._paths]
        return self

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self._stack.close()

    def add(self, line: bytes) -> None:
        """Note that the line of a report was acknowledged."""
        number = _decoder.decode(line).event_id.bytes
        self._files[number[-1] % len(_DIGITS)].write(number)
        self.count += 1

    async def compare(self, warehouse: Readable) -> Verdict:
        """Compare the ids with those that are stored."""
        found = Verdict(acknowledged=self.count)
        for digit in _DIGITS:
            answer = await warehouse.read(_STORED, {"digit": digit})
            rows = msgspec.convert(answer.rows, list[tuple[UUID]])
            found.count(self._noted(digit), (event_id.bytes for (event_id,) in rows))
        found.hidden = msgspec.convert((await warehouse.read(_HIDDEN)).rows[0][0], int)
        return found

    def _noted(self, digit: str) -> frozenset[bytes]:
        at = _DIGITS.index(digit)
        self._files[at].flush()
        data = self._paths[at].read_bytes()
        return frozenset(data[start : start + _SIZE] for start in range(0, len(data), _SIZE))
