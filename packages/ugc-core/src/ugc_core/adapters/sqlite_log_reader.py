"""Reads the SQLite log for one consumer group, and keeps its commits."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import apsw

from ugc_core.adapters.sqlite_file import (
    SqliteFile,
    ends,
    find_topic,
    reachable,
)
from ugc_core.adapters.sqlite_records import read_records
from ugc_core.adapters.sqlite_retention import mark
from ugc_core.clock import Clock, SystemClock
from ugc_core.files import lock
from ugc_core.log import Commit, LogCommitter, LogReader, Record, Watermarks
from ugc_core.log_rules import check_position
from ugc_core.settings import LogSection

_LOOK_EVERY_S = 0.02
"""How often an idle reader asks SQLite whether another connection wrote; 5 us each."""
_MAX_POLL_BYTES = 8_388_608


class _Taken(NamedTuple):
    """What one look at the file found, and where the next one goes on."""

    records: dict[int, list[Record]]
    positions: dict[int, int]
    version: int


class SqliteLogReader:
    """The only member of its group: a lock beside the file keeps a second one away."""

    def __init__(self, file: SqliteFile, topic: str, group: str, clock: Clock) -> None:
        """Use `open`; this only wires."""
        self._file = file
        self._topic = topic
        self._group = group
        self._clock = clock
        self._positions: dict[int, int] = {}
        self._paused: frozenset[int] = frozenset()
        self._turn = 0
        self._version = -1

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, topic: str, group: str, settings: LogSection, *, clock: Clock | None = None
    ) -> AsyncIterator[Self]:
        """Open the file to read `topic` for `group`.

        Raises:
            InUseError: Another process reads for this group.
            LogDamagedError: The file is corrupt.
            LogUnavailableError: The file cannot be opened.
        """
        then = "stop that one, or set another UGC_LOG__GROUP"
        holder = lock(group_lock(path, group), what=f"consumer group {group} of {path}", then=then)
        with ExitStack() as stack:
            with reachable(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(holder)
            async with SqliteFile.open(path, timeout_s=settings.call_timeout_s) as file:
                yield cls(file, topic, group, clock or SystemClock())

    async def poll(self, *, max_records: int, timeout_s: float) -> Mapping[int, Sequence[Record]]:
        """Return what is there, or wait until some process appends."""
        until = self._clock.now() + timeout_s
        while True:
            # Positions move here and not on the connection's thread: what a poll read that was
            # given up, nobody has seen.
            taken = await self._file.run(partial(self._take, max_records, dict(self._positions)))
            self._positions, self._version = taken.positions, taken.version
            left_s = until - self._clock.now()
            if taken.records or left_s <= 0:
                return taken.records
            await self._clock.sleep(min(_LOOK_EVERY_S, left_s))

    def assigned(self) -> frozenset[int]:
        """Every partition seen by the last poll."""
        return frozenset(self._positions)

    def pause(self, partitions: frozenset[int]) -> None:
        """Hold these back."""
        self._paused |= partitions
        self._version = -1

    def resume(self, partitions: frozenset[int]) -> None:
        """Hand these out again."""
        self._paused -= partitions
        self._version = -1

    def seek(self, partition: int, offset: int) -> None:
        """Continue at `offset`."""
        self._positions[partition] = offset
        self._version = -1

    async def commit(self, commits: Mapping[int, Commit]) -> None:
        """Remember these positions in one transaction."""
        at_ms = self._clock.wall_ms()
        await self._file.run(partial(write_commits, self._group, self._topic, commits, at_ms))

    async def committed(self, partitions: frozenset[int]) -> Mapping[int, Commit]:
        """Return what was committed."""
        found = await self._file.run(partial(read_commits, group=self._group, topic=self._topic))
        return {partition: commit for partition, commit in found.items() if partition in partitions}

    def _take(self, max_records: int, positions: dict[int, int], db: apsw.Connection) -> "_Taken":
        """Read each partition from its position, another one first each time."""
        version = db.pragma("data_version")
        if version == self._version:  # nothing was written since we came back empty
            return _Taken(records={}, positions=positions, version=version)
        db.execute("BEGIN")
        topic = find_topic(db, self._topic).id
        marks = ends(db, topic)
        self._place(db, positions, marks)
        found: dict[int, list[Record]] = {}
        budget = _MAX_POLL_BYTES
        order = sorted(marks)
        self._turn = (self._turn + 1) % max(len(order), 1)
        for partition in order[self._turn :] + order[: self._turn]:
            position = check_position(
                self._topic, partition, positions[partition], marks[partition]
            )
            if partition in self._paused or position == marks[partition].high:
                continue
            taken = read_records(db, topic, partition, position, max_records, budget)
            if taken:
                found[partition] = taken
                positions[partition] = taken[-1].offset + 1
                max_records -= len(taken)
                budget -= sum(len(record.value) for record in taken)
        db.execute("COMMIT")
        version = -1 if found or max_records <= 0 else version
        return _Taken(records=found, positions=positions, version=version)

    def _place(
        self, db: apsw.Connection, positions: dict[int, int], marks: Mapping[int, Watermarks]
    ) -> None:
        """Start new partitions where the group left off, or at their beginning."""
        fresh = set(marks) - set(positions)
        commits = read_commits(db, group=self._group, topic=self._topic) if fresh else {}
        for partition in fresh:
            commit = commits.get(partition)
            positions[partition] = commit.offset if commit else marks[partition].low


def group_lock(path: Path, group: str) -> Path:
    """Return the file that a group's only reader holds."""
    return path.with_name(f"{path.name}.{group}.lock")


def write_commits(
    group: str, topic: str, commits: Mapping[int, Commit], at_ms: int, db: apsw.Connection
) -> None:
    """Remember a group's positions, all of them or none."""
    db.execute("BEGIN IMMEDIATE")
    number = find_topic(db, topic).id
    for partition, commit in commits.items():
        db.execute(
            "INSERT INTO committed VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET offset = excluded.offset, metadata = excluded.metadata",
            (group, number, partition, commit.offset, commit.metadata),
        )
    positions = {partition: commit.offset for partition, commit in commits.items()}
    mark(db, group, number, positions, at_ms)
    db.execute("COMMIT")


def read_commits(db: apsw.Connection, *, group: str, topic: str) -> dict[int, Commit]:
    """Return a group's commits in a topic by partition."""
    rows = db.execute(
        "SELECT partition, offset, metadata FROM committed"
        " JOIN topic ON topic.id = committed.topic WHERE consumer = ? AND topic.name = ?",
        (group, topic),
    )
    return {partition: Commit(offset=at, metadata=note) for partition, at, note in rows}


if TYPE_CHECKING:  # mypy proves here that the adapter fits both ports
    _reader: type[LogReader] = SqliteLogReader
    _committer: type[LogCommitter] = SqliteLogReader
