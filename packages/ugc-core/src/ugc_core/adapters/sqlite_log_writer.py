"""Appends to the SQLite log: concurrent calls share a transaction, and so an fsync."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

import apsw
import msgspec

from ugc_core.adapters.sqlite_file import SqliteFile, find_topic, record_id, rows
from ugc_core.adapters.sqlite_retention import trim
from ugc_core.clock import Clock, SystemClock
from ugc_core.errors import LogBusyError, LogUnavailableError, UgcError
from ugc_core.log import Headers, LogWriter, Receipt
from ugc_core.packing import Pack, Pending, pack
from ugc_core.partitioner import partition_for
from ugc_core.settings import LogSection

_TRIM_EVERY_S = 60.0
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
        self._partitions = 0
        self._waiting: list[_Waiting] = []
        self._in_flight = 0
        self._flushing: asyncio.Task[None] | None = None
        self._trimmed_at = clock.now()

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
            writer._partitions = (await file.run(partial(find_topic, name=topic))).partitions
            try:
                yield writer
            finally:
                await writer._drain()

    async def append(self, key: bytes, lines: Sequence[bytes], *, headers: Headers = ()) -> Receipt:
        """Keep the lines; return when their transaction is on the disk."""
        if self._in_flight >= self._settings.max_in_flight:
            msg = f"{self._in_flight} appends are under way already; try again in a moment"
            raise LogBusyError(msg)
        waiting = _Waiting(
            partition=partition_for(key, self._partitions),
            key=key,
            lines=lines,
            headers=headers,
            size=sum(map(len, lines)) + len(lines),
            done=asyncio.get_running_loop().create_future(),
        )
        self._in_flight += 1
        self._waiting.append(waiting)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        try:
            async with asyncio.timeout(self._settings.append_timeout_s):
                return await waiting.done
        except TimeoutError as error:
            msg = f"the log did not acknowledge within {self._settings.append_timeout_s:g} s"
            raise LogUnavailableError(msg) from error
        finally:
            self._in_flight -= 1

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
            for waiting in group:
                if not waiting.done.done():
                    waiting.done.set_exception(error)
            return
        for written, offset in zip(packs, offsets, strict=True):
            for member, line in written.first_lines():
                receipt = Receipt(partition=written.partition, offset=offset, line=line)
                if isinstance(member, _Waiting) and not member.done.done():
                    member.done.set_result(receipt)

    def _insert(self, packs: list[Pack], db: apsw.Connection) -> list[int]:
        """Insert every pack in one transaction and return their offsets."""
        at_ms = self._clock.wall_ms()
        db.execute("BEGIN IMMEDIATE")
        topic = find_topic(db, self._topic)
        # The topic may have grown: keys of this group were placed by the old number, as keys
        # of a Kafka producer with stale metadata are; the next group uses the new one.
        self._partitions = topic.partitions
        offsets: list[int] = []
        for item in packs:
            ((offset,),) = rows(
                db,
                "UPDATE lane SET high = high + 1 WHERE topic = ? AND partition = ?"
                " RETURNING high - 1",
                (topic.id, item.partition),
            )
            headers = _encode_headers(item.headers)
            row = (record_id(topic.id, item.partition, offset), at_ms, item.key, headers)
            db.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?)", (*row, item.value))
            offsets.append(offset)
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
