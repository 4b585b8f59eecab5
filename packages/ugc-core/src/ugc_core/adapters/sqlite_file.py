"""One SQLite file as a log: its tables, and one thread that alone touches a connection."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar

import apsw

from ugc_core.errors import LogDamagedError, LogUnavailableError
from ugc_core.files import sync_directory
from ugc_core.log import Topic, Watermarks

T = TypeVar("T")

APPLICATION_ID = 0x55474331  # "UGC1"
FILE_VERSION = 1
_OFFSET_BITS = 46
_PARTITION_BITS = 10

# FULL, not NORMAL: an acknowledged record must survive a power cut. A record's id holds
# topic, partition and offset, so that reading a partition is one range of the table.
_PRAGMAS = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = 67108864;
"""
_TABLES = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE topic (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
        partitions INTEGER NOT NULL, retention_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE lane (
        topic INTEGER NOT NULL, partition INTEGER NOT NULL,
        low INTEGER NOT NULL, high INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE record (
        id INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL,
        key BLOB, headers BLOB NOT NULL, value BLOB NOT NULL
    ) STRICT;
    CREATE TABLE committed (
        consumer TEXT NOT NULL, topic INTEGER NOT NULL, partition INTEGER NOT NULL,
        offset INTEGER NOT NULL, metadata TEXT NOT NULL,
        PRIMARY KEY (consumer, topic, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE mark (
        consumer TEXT NOT NULL, topic INTEGER NOT NULL, partition INTEGER NOT NULL,
        at_ms INTEGER NOT NULL, offset INTEGER NOT NULL,
        PRIMARY KEY (consumer, topic, partition, at_ms)
    ) STRICT, WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {FILE_VERSION};
    COMMIT;
"""
# SQLite's index of its own WAL did not fit on a full disk: it is rebuilt, nothing is broken.
_NO_DAMAGE = frozenset(
    {apsw.SQLITE_IOERR_SHMOPEN, apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_SHMMAP}
)


def record_id(topic: int, partition: int, offset: int) -> int:
    """Return the id of a record; ids of one partition lie in the order of its offsets."""
    return ((topic << _PARTITION_BITS | partition) << _OFFSET_BITS) | offset


def offset_of(record: int) -> int:
    """Return the offset inside a record's id."""
    return record & (1 << _OFFSET_BITS) - 1


class SqliteFile:
    """A connection and its thread: the event loop never waits for the disk.

    After a failed sync nobody knows what the disk holds, so every later call is refused.
    """

    def __init__(self, path: Path, worker: ThreadPoolExecutor, *, timeout_s: float) -> None:
        """Use `open`; this only wires."""
        self.path = path
        self.failed: LogDamagedError | None = None
        self._worker = worker
        self._timeout_s = timeout_s
        self._db: apsw.Connection | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, *, timeout_s: float, check: bool = False
    ) -> AsyncIterator[Self]:
        """Open the file, making it if need be, and close it on the way out.

        Args:
            path: The SQLite file.
            timeout_s: Longest wait for one statement, other processes' writes included.
            check: Whether to run `PRAGMA quick_check` first.

        Raises:
            LogDamagedError: It is no log of ours, or corrupt.
            LogUnavailableError: It cannot be opened.
        """
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-log")
        file = cls(path, worker, timeout_s=timeout_s)
        try:
            await file._in_thread(partial(file._connect, check=check))
            yield file
        finally:
            # No deadline: only statements that are bounded themselves are queued before it.
            await asyncio.get_running_loop().run_in_executor(worker, file._close)
            worker.shutdown(wait=False)

    async def run(self, statement: Callable[[apsw.Connection], T]) -> T:
        """Run `statement` on the connection's thread, within the deadline.

        Raises:
            LogDamagedError: The file or its disk is broken, now or since an earlier call.
            LogUnavailableError: Busy for too long, the disk is full, or no answer in time.
        """
        return await self._in_thread(lambda: statement(self._connection()))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self.failed is not None:
            raise self.failed
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await loop.run_in_executor(self._worker, partial(self._guarded, work))
        except TimeoutError as error:
            msg = f"{self.path} did not answer within {self._timeout_s:g} s"
            raise LogUnavailableError(msg) from error

    def _guarded(self, work: Callable[[], T]) -> T:
        if self.failed is not None:
            raise self.failed
        try:
            return work()
        except (apsw.CorruptError, apsw.NotADBError, apsw.IOError) as error:
            if getattr(error, "extendedresult", None) in _NO_DAMAGE:
                msg = f"{self.path}: {error} (is the disk full?)"
                raise LogUnavailableError(msg) from error
            self.failed = damaged(self.path, str(error))
            raise self.failed from error
        except (apsw.Error, OSError) as error:
            msg = f"{self.path}: {error}"
            raise LogUnavailableError(msg) from error
        finally:
            self._roll_back()

    def _roll_back(self) -> None:
        """Never leave a transaction open, whatever happened in it."""
        if self._db is not None and self._db.in_transaction and self.failed is None:
            try:
                self._db.execute("ROLLBACK")
            except apsw.Error as error:
                self.failed = damaged(self.path, f"cannot roll back: {error}")

    def _connect(self, *, check: bool) -> None:
        if not self.path.exists():
            _make(self.path)
        self._db = db = apsw.Connection(str(self.path))
        db.set_busy_timeout(int(self._timeout_s * 800))  # before our own deadline
        _refuse_foreign(db, self.path)
        for _ in db.execute(_PRAGMAS):
            pass
        if check and (found := db.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
            raise damaged(self.path, f"quick_check: {found[0] if found else 'no answer'}")

    def _connection(self) -> apsw.Connection:
        if self._db is None:
            msg = f"{self.path} is not open"
            raise LogUnavailableError(msg)
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            try:
                self._db.close()
            except apsw.Error:  # a broken file: what is durable is durable
                self._db.close(True)  # noqa: FBT003 - apsw's "force"


@contextmanager
def reachable(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into a `LogUnavailableError`."""
    try:
        yield
    except OSError as error:
        msg = f"{path}: {error}"
        raise LogUnavailableError(msg) from error


def _make(path: Path) -> None:
    """Make the file whole or not at all: several processes may be the first to open it.

    Nobody may open and close the file itself but SQLite: with a file's descriptor the kernel
    drops every lock that the process has on it, those of its other connections too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        fresh = Path(folder, path.name)
        # Reports name who watched what: the file is its owner's alone.
        os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with closing(apsw.Connection(str(fresh))) as db:
            for _ in db.execute(_PRAGMAS + _TABLES):
                pass
        with suppress(FileExistsError):  # another process was faster
            path.hardlink_to(fresh)
    sync_directory(path.parent)


def _refuse_foreign(db: apsw.Connection, path: Path) -> None:
    found = db.pragma("application_id"), db.pragma("user_version")
    if found != (APPLICATION_ID, FILE_VERSION):
        msg = (
            f"{path} is a SQLite file but not a log of this version"
            f" (application id {found[0]}, version {found[1]}); choose another UGC_LOG__URL"
        )
        raise LogDamagedError(msg)


def damaged(path: Path, reason: str) -> LogDamagedError:
    """Return the error that says what to do with a broken file."""
    return LogDamagedError(
        f"the log {path} is damaged or its disk fails: {reason}."
        f" Nothing more is accepted. Stop everything, copy {path}* to a safe place, check the"
        " disk, and restore the log from a copy or start with a new data directory"
    )


def rows(db: apsw.Connection, sql: str, bindings: tuple[object, ...] = ()) -> list[Any]:
    """Return every row; the tables are STRICT, so each column has the type it says."""
    return db.execute(sql, bindings).fetchall()


class TopicRow(Topic, frozen=True, kw_only=True):
    """A topic with its number in the file."""

    id: int


def find_topic(db: apsw.Connection, name: str) -> TopicRow:
    """Return a topic.

    Raises:
        LogUnavailableError: There is none of that name.
    """
    row = db.execute("SELECT * FROM topic WHERE name = ?", (name,)).fetchone()
    if row is None:
        msg = f"topic {name} does not exist; run `ugc init`"
        raise LogUnavailableError(msg)
    return TopicRow(id=row[0], name=row[1], partitions=row[2], retention_ms=row[3])


def ends(db: apsw.Connection, topic: int) -> dict[int, Watermarks]:
    """Return the watermarks of each partition of a topic."""
    rows = db.execute("SELECT partition, low, high FROM lane WHERE topic = ?", (topic,))
    return {partition: Watermarks(low=low, high=high) for partition, low, high in rows}
