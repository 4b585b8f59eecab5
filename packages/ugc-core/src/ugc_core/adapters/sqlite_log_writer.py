"""Appends to the SQLite log: concurrent calls share a transaction, and so an fsync."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import apsw
import msgspec

from ugc_core.adapters.sqlite_file import SqliteFile, find_topic, record_id
from ugc_core.adapters.sqlite_retention import trim
from ugc_core.clock import Clock, SystemClock
from ugc_core.deadlines import Deadlines
from ugc_core.errors import LogBusyError, LogUnavailableError, UgcError
from ugc_core.log import Headers, LogWriter, Receipt
from ugc_core.packing import Pack, Pending, pack
from ugc_core.partitioner import partition_for
from ugc_core.settings import LogSection

_TRIM_EVERY_S = 60.0
_HIGHS = "SELECT partition, high FROM lane WHERE topic = ?"
_RAISE = "UPDATE lane SET high = ? WHERE topic = ? AND partition = ?"
_INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?)"
_encode_headers = msgspec.msgpack.Encoder().encode


class _Waiting(Pending, kw_only=True, eq=False):
    """An append and the caller that waits for it."""

    done: "asyncio.Future[Receipt]"


class SqliteLogWriter:
    """One topic of the file; any number of processes may append at the same time.

    While one group of appends is on its way to the disk, the next one gathers: the slower
    the disk, the larger the group, and nobody waits for company.
    """

    def __init__(self, file: SqliteFile, topic: str, settings: LogSection, clock: Clock) -> None:
        """Use `open`; this only wires."""
        self._file = file
        self._topic = topic
        self._settings = settings
        self._clock = clock
        self._topic_id = 0
        self._partitions = 0
        self._waiting: list[_Waiting] = []
        self._in_flight = 0
        self._flushing: asyncio.Task[None] | None = None
        self._trimmed_at = clock.now()
        self._deadlines = Deadlines(settings.append_timeout_s, self._late)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        topic: str,
        settings: LogSection,
        *,
        clock: Clock | None = None,
        check: bool = False,
    ) -> AsyncIterator[Self]:
        """Open the file to append to `topic`; what is under way is finished on the way out.

        Args:
            path: The SQLite file.
            topic: The topic; it has to exist.
            settings: Deadline and bounds.
            clock: Time, for records' timestamps.
            check: Whether to look for damage first.

        Raises:
            LogDamagedError: The file is corrupt.
            LogUnavailableError: There is no such topic, or the file cannot be opened.
        """
        timeout_s = settings.append_timeout_s
        async with SqliteFile.open(path, timeout_s=timeout_s, check=check) as file:
            writer = cls(file, topic, settings, clock or SystemClock())
            found = await file.run(partial(find_topic, name=topic))
            writer._topic_id, writer._partitions = found.id, found.partitions
            try:
                yield writer
            finally:
                await writer._drain()
                writer._deadlines.close()

    async def append(self, key: bytes, lines: Sequence[bytes], *, headers: Headers = ()) -> Receipt:
        """Keep the lines; return when their transaction is on the disk."""
        if self._in_flight >= self._settings.max_in_flight:
            msg = f"{self._in_flight} appends are under way already; try again in a moment"
            raise LogBusyError(msg)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(
            partition=partition_for(key, self._partitions),
            key=key,
            lines=lines,
            headers=headers,
            size=sum(map(len, lines)) + len(lines),
            done=loop.create_future(),
        )
        self._in_flight += 1
        self._waiting.append(waiting)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        self._deadlines.watch(waiting.done, loop)
        try:
            return await waiting.done
        finally:
            self._in_flight -= 1
            del waiting  # its error's traceback holds this frame, and so all that the caller has

    def _late(self) -> LogUnavailableError:
        timeout_s = self._settings.append_timeout_s
        return LogUnavailableError(f"the log did not acknowledge within {timeout_s:g} s")

    async def _flush(self) -> None:
        """Write groups until nobody waits."""
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                # An append that was given up is still written: nobody knows that it was not.
                await self._write(group)
                await self._trim()
        finally:
            self._flushing = None

    async def _write(self, group: list[_Waiting]) -> None:
        packs = pack(
            group, max_lines=self._settings.pack_lines, max_bytes=self._settings.pack_bytes
        )
        try:
            offsets = await self._file.run(partial(self._insert, packs))
        except UgcError as error:
            error.__traceback__ = None  # it holds this frame, and so every line of the group
            for waiting in group:
                if not waiting.done.done():
                    waiting.done.set_exception(error)
            return
        for written, offset in zip(packs, offsets, strict=True):
            partition = written.partition
            for member, line in written.first_lines():
                if not member.done.done():
                    receipt = Receipt(partition=partition, offset=offset, line=line)
                    member.done.set_result(receipt)

    def _insert(self, packs: list[Pack[_Waiting]], db: apsw.Connection) -> list[int]:
        """Insert every pack in one transaction and return their offsets."""
        at_ms = self._clock.wall_ms()
        db.execute("BEGIN IMMEDIATE")
        highs: dict[int, int] = dict(db.execute(_HIGHS, (self._topic_id,)))
        # The topic may have grown: keys of this group were placed by the old number, as keys
        # of a Kafka producer with stale metadata are; the next group uses the new one.
        self._partitions = len(highs)
        offsets: list[int] = []
        records: list[tuple[int, int, bytes | None, bytes, bytes]] = []
        for item in packs:
            offset = highs[item.partition]
            highs[item.partition] = offset + 1
            offsets.append(offset)
            place = record_id(self._topic_id, item.partition, offset)
            headers = _encode_headers(item.headers)
            records.append((place, at_ms, item.key, headers, item.value))
        touched = {item.partition for item in packs}
        db.executemany(
            _RAISE,
            [(highs[partition], self._topic_id, partition) for partition in touched],
        )
        db.executemany(_INSERT, records)
        db.execute("COMMIT")
        return offsets

    async def _trim(self) -> None:
        """Let go of old records now and then, as a broker would."""
        if self._clock.now() - self._trimmed_at < _TRIM_EVERY_S:
            return
        self._trimmed_at = self._clock.now()
        try:
            await self._file.run(partial(trim, now_ms=self._clock.wall_ms()))
        except UgcError:
            return  # busy: the next round does it; broken: the next append says so

    async def _drain(self) -> None:
        """Wait for what is under way; each group has its own deadline."""
        while self._flushing is not None:
            await asyncio.wait({self._flushing})


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _writer: type[LogWriter] = SqliteLogWriter
