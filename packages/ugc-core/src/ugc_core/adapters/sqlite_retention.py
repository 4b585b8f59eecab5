"""Which records of the SQLite log may go, and their removal in small steps.

A record may go when every consumer group has committed past it for at least the topic's
retention: after an unclean stop that window is read again, so it is counted from the
commit and not from the append.
"""

import apsw

from ugc_core.adapters.sqlite_file import ends, offset_of, record_id, rows

_STEP = 2000
"""Records that one transaction removes, so that appends never wait long for it."""
_MARK_EVERY_MS = 60_000


def mark(
    db: apsw.Connection, consumer: str, topic: int, positions: dict[int, int], at_ms: int
) -> None:
    """Note how far a group had come at a time, once a minute; part of the commit."""
    slot = at_ms - at_ms % _MARK_EVERY_MS + _MARK_EVERY_MS  # never earlier than the commit
    for partition, offset in positions.items():
        db.execute(
            "INSERT INTO mark VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (consumer, topic, partition, slot, offset),
        )


def trim(db: apsw.Connection, *, now_ms: int) -> int:
    """Remove what may go, at most one step a partition; return how many records went."""
    db.execute("BEGIN IMMEDIATE")
    gone = 0
    for topic, retention_ms in rows(db, "SELECT id, retention_ms FROM topic"):
        before_ms = now_ms - retention_ms
        for partition, marks in ends(db, topic).items():
            floor = _floor(db, topic, partition, before_ms)
            if floor is not None and floor > marks.low:
                gone += _remove(db, topic, partition, marks.low, floor)
    db.execute("COMMIT")
    return gone


def _floor(db: apsw.Connection, topic: int, partition: int, before_ms: int) -> int | None:
    """Return the offset that every group had passed by then; None while one had not begun."""
    where = (topic, partition)
    groups = rows(
        db, "SELECT consumer, offset FROM committed WHERE topic = ? AND partition = ?", where
    )
    floors: list[int] = []
    for consumer, offset in groups:
        ((reached,),) = rows(
            db,
            "SELECT max(offset) FROM mark WHERE consumer = ? AND topic = ? AND partition = ?"
            " AND at_ms <= ?",
            (consumer, *where, before_ms),
        )
        if reached is None:
            return None
        floors.append(min(reached, offset))  # a group may have gone back on purpose
        db.execute(
            "DELETE FROM mark WHERE consumer = ? AND topic = ? AND partition = ?"
            " AND at_ms <= ? AND offset < ?",
            (consumer, *where, before_ms, reached),
        )
    return min(floors, default=None)


def _remove(db: apsw.Connection, topic: int, partition: int, low: int, floor: int) -> int:
    first, end = (record_id(topic, partition, offset) for offset in (low, floor))
    ids = rows(
        db,
        "SELECT id FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (first, end, _STEP),
    )
    low = floor if len(ids) < _STEP else offset_of(ids[-1][0]) + 1
    db.execute(
        "DELETE FROM record WHERE id >= ? AND id < ?", (first, record_id(topic, partition, low))
    )
    db.execute("UPDATE lane SET low = ? WHERE topic = ? AND partition = ?", (low, topic, partition))
    return len(ids)
