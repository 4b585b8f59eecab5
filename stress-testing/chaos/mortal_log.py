"""`python -m chaos.mortal_log LOG WHERE COUNT FIRST`: appends to the log, and dies in it.

WHERE is append, trim or checkpoint: the program kills itself with SIGKILL inside the
COUNT-th write, sync or truncation of that operation, half of a write done. Before, every
acknowledged line is said on stdout. Lines are numbered from FIRST.
"""

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

import apsw

from ugc_core.adapters.sqlite_file import SqliteFile
from ugc_core.adapters.sqlite_log_reader import SqliteLogReader
from ugc_core.adapters.sqlite_log_writer import SqliteLogWriter
from ugc_core.adapters.sqlite_retention import trim
from ugc_core.clock import ManualClock, SystemClock
from ugc_core.log import Commit
from ugc_core.settings import LogSection

SECTION = LogSection(partitions=2, retention_hours=1)
_AT_ONCE, _ROUNDS = 400, 10
LINES_A_LIFE = _AT_ONCE * _ROUNDS
_MINUTE_MS, _HOUR_AND_MORE_MS = 60_000, 2 * 3_600_000


class Fate:
    """Counts down while it is armed."""

    def __init__(self, left: int) -> None:
        """Live for so many operations on the disk."""
        self.armed = False
        self._left = left

    def strike(self) -> bool:
        """Say whether this operation is the last."""
        self._left -= self.armed
        return self._left < 0


class Disk(apsw.VFS):
    """The real file system, on which the process dies."""

    def __init__(self, fate: Fate) -> None:
        """Become the default for every file that is opened from now on."""
        self._fate = fate
        super().__init__("mortal", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "File":  # noqa: N802
        """Open a file on this disk."""
        return File(self._fate, name, flags)


class File(apsw.VFSFile):
    """One file on it."""

    def __init__(self, fate: Fate, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        """Open the real one."""
        self._fate = fate
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        """Write, or half of it and die."""
        if self._fate.strike():
            super().xWrite(data[: len(data) // 2], offset)
            _die()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        """Sync, or die."""
        if self._fate.strike():
            _die()
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:  # noqa: N802 - SQLite's name
        """Truncate, or die."""
        if self._fate.strike():
            _die()
        super().xTruncate(size)


def _die() -> None:
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


async def live(path: Path, where: str, fate: Fate, first: int) -> None:
    """Append, trim and checkpoint in turn until the end comes, or all rounds are over."""
    # A minute passes with every round, so that each trim finds records that may go.
    clock = ManualClock(wall_ms=SystemClock().wall_ms() + first * _MINUTE_MS)
    async with (
        SqliteLogWriter.open(path, SECTION.topic, SECTION, clock=SystemClock()) as writer,
        SqliteLogReader.open(path, SECTION.topic, SECTION.group, SECTION, clock=clock) as reader,
        SqliteFile.open(path, timeout_s=10) as file,
    ):
        for turn in range(_ROUNDS):
            numbers = range(first + turn * _AT_ONCE, first + (turn + 1) * _AT_ONCE)
            fate.armed = where == "append"
            await asyncio.gather(*(_append(writer, number) for number in numbers))
            fate.armed = False
            found = await reader.poll(max_records=10_000, timeout_s=0)
            ends = {p: Commit(offset=records[-1].offset + 1) for p, records in found.items()}
            await reader.commit(ends)
            await clock.sleep(60)
            fate.armed = where == "trim"
            await file.run(partial(trim, now_ms=clock.wall_ms() + _HOUR_AND_MORE_MS))
            fate.armed = where == "checkpoint"
            await file.run(lambda db: db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE))


async def _append(writer: SqliteLogWriter, number: int) -> None:
    line = b"%d" % number
    # Half of them alone in their records: a trim has something to take, and something to leave.
    headers = (("alone", line),) if number % 2 else ()
    at = await writer.append(line, [line], headers=headers)
    sys.stdout.write(f"kept {number} {at.partition} {at.offset}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _log, _where, _count, _first = sys.argv[1:]
    _fate = Fate(int(_count))
    _disk = Disk(_fate)
    asyncio.run(live(Path(_log), _where, _fate, int(_first)))
