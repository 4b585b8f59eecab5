"""Topics of the SQLite log."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import apsw

from ugc_core.adapters.sqlite_file import ends, offset_of, record_id
from ugc_core.adapters.sqlite_log_reader import read_commits
from ugc_core.adapters.sqlite_role import SqliteRole
from ugc_core.log import Commit, LogAdmin, Topic, TopicChange, Watermarks
from ugc_core.log_rules import plan_topics


class SqliteLogAdmin(SqliteRole):
    """Looks after the topics of one file."""

    async def plan(self, topics: Sequence[Topic]) -> Sequence[TopicChange]:
        """Compare."""
        return plan_topics(await self._file.run(_topics), topics)

    async def apply(self, changes: Sequence[TopicChange]) -> None:
        """Change, all or nothing."""
        await self._file.run(partial(_apply, changes))

    async def watermarks(self, topic: str) -> Mapping[int, Watermarks]:
        """Return the ends."""
        return await self._file.run(partial(ends_of, topic))

    async def offsets_at(self, topic: str, at_ms: int) -> Mapping[int, int]:
        """Search."""
        return await self._file.run(partial(_offsets_at, topic, at_ms))

    async def committed_by(self, group: str, topic: str) -> Mapping[int, Commit]:
        """Return what a group committed."""
        return await self._file.run(partial(read_commits, group=group, topic=topic))


def _topics(db: apsw.Connection) -> dict[str, Topic]:
    rows = db.execute("SELECT name, partitions, retention_ms FROM topic")
    return {
        name: Topic(name=name, partitions=partitions, retention_ms=retention_ms)
        for name, partitions, retention_ms in rows
    }


def _apply(changes: Sequence[TopicChange], db: apsw.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    for change in changes:
        topic = change.topic
        db.execute(
            "INSERT INTO topic (name, partitions, retention_ms) VALUES (?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET partitions = max(partitions, excluded.partitions),"
            " retention_ms = excluded.retention_ms",
            (topic.name, topic.partitions, topic.retention_ms),
        )
        db.executemany(
            "INSERT INTO lane SELECT id, ?, 0, 0 FROM topic WHERE name = ? ON CONFLICT DO NOTHING",
            [(partition, topic.name) for partition in range(topic.partitions)],
        )
    db.execute("COMMIT")


def _id_of(db: apsw.Connection, topic: str) -> int | None:
    row = db.execute("SELECT id FROM topic WHERE name = ?", (topic,)).fetchone()
    return None if row is None else int(row[0])


def ends_of(topic: str, db: apsw.Connection) -> dict[int, Watermarks]:
    """Return the ends of each partition; empty for an unknown topic."""
    number = _id_of(db, topic)
    return {} if number is None else ends(db, number)


def _offsets_at(topic: str, at_ms: int, db: apsw.Connection) -> dict[int, int]:
    """Search each partition by halving: timestamps rise with the offsets.

    They may fall by as much as a machine's clock is set back; like Kafka's time index, the
    answer is then the first of the records that the search meets.
    """
    number = _id_of(db, topic)
    if number is None:
        return {}
    return {
        partition: _first_not_older(db, number, partition, marks, at_ms)
        for partition, marks in ends(db, number).items()
    }


def _first_not_older(
    db: apsw.Connection, topic: int, partition: int, marks: Watermarks, at_ms: int
) -> int:
    low, high = marks.low, marks.high
    while low < high:
        middle = (low + high) // 2
        row = db.execute(
            "SELECT id, timestamp_ms FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT 1",
            (record_id(topic, partition, middle), record_id(topic, partition, high)),
        ).fetchone()
        if row is not None and row[1] < at_ms:
            low = offset_of(row[0]) + 1
        else:
            high = middle
    return low


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _admin: type[LogAdmin] = SqliteLogAdmin
