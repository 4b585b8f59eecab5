"""What a system at rest holds: its rows, what is derived from them, its ledger, its letters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import msgspec
from oracle.metrics import NIL, Bucket, Point, Viewer, viewer_of

from chaos.log_reading import Letter, dead_letters, log_records
from ugc_core.audience import Audience, Days, audience, live_viewers, retention
from ugc_core.bootstrap import open_log_admin, open_warehouse
from ugc_core.events import Event
from ugc_core.log import Watermarks
from ugc_core.settings import Settings
from ugc_core.warehouse import Warehouse

BUCKET_S = 300
_SittingRow = tuple[UUID, int, UUID, UUID, UUID, list[int], int, int, int, str]

_ROWS = """
    SELECT event_id, film_id, user_id, profile_id, ifNull(session_id, toUUID({nil:String})), seq,
        progress_ms, total_ms, watched_from_ms, toUnixTimestamp64Milli(event_time),
        toUnixTimestamp64Milli(viewed_at), clock_offset_ms,
        ifNull(kind, ''), ifNull(device, ''), ifNull(extra, '')
    FROM views
"""
_PLAYBACK = """
    SELECT film_id, toInt32(day), user_id, profile_id, session_id,
        bitmapToArray(groupBitmapMergeState(seconds)), toUnixTimestamp64Milli(min(first_time)),
        toUnixTimestamp64Milli(max(last_time)), max(total_ms), argMaxMerge(device)
    FROM playback GROUP BY film_id, day, user_id, profile_id, session_id
"""
_RESUME = """
    SELECT user_id, profile_id, film_id, p.1, p.2, toUnixTimestamp64Milli(p.3)
    FROM (SELECT user_id, profile_id, film_id, argMaxMerge(point) AS p
        FROM resume_points GROUP BY user_id, profile_id, film_id)
"""
_LEDGER = """
    SELECT topic, partition, first_offset, last_offset, lines, stored, dead, erased
    FROM ingested FINAL WHERE topic = {topic:String} ORDER BY topic, partition, first_offset
"""


class Facts(NamedTuple):
    """Everything that a report says, as the warehouse keeps it."""

    event_id: UUID
    film_id: UUID
    user_id: UUID
    profile_id: UUID
    session_id: UUID
    seq: int | None
    progress_ms: int
    total_ms: int
    watched_from_ms: int | None
    event_time_ms: int
    viewed_ms: int
    clock_offset_ms: int
    kind: str
    device: str
    extra: str


class Sitting(NamedTuple):
    """The key of the playback ledger."""

    film_id: UUID
    day: int
    user_id: UUID
    profile_id: UUID
    session_id: UUID


class Watched(NamedTuple):
    """What the playback ledger says of a sitting."""

    seconds: frozenset[int]
    first_ms: int
    last_ms: int
    total_ms: int
    device: str


class FilmNumbers(NamedTuple):
    """The audience numbers of one film."""

    audience: Audience
    curve: Sequence[Bucket]
    live: int


class Entry(NamedTuple):
    """One row of the pipeline's ledger."""

    topic: str
    partition: int
    first: int
    last: int
    lines: int
    stored: int
    dead: int
    erased: int


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A system at rest.

    Attributes:
        rows: What `views` shows.
        playback: The playback ledger.
        resume: Resume points.
        films: Audience numbers by film.
        ledger: The pipeline's ledger.
        letters: The dead letters.
        ends: The ends of the log's partitions.
        committed: How far the pipeline has committed in each.
        log_lines: Lines in the log's records.
    """

    rows: Sequence[Facts]
    playback: Mapping[Sitting, Watched]
    resume: Mapping[tuple[Viewer, UUID], Point]
    films: Mapping[UUID, FilmNumbers]
    ledger: Sequence[Entry]
    letters: Sequence[Letter]
    ends: Mapping[int, Watermarks]
    committed: Mapping[int, int]
    log_lines: int


def facts(event: Event) -> Facts:
    """Return what a report says."""
    viewer = viewer_of(event)
    return Facts(
        event_id=event.event_id,
        film_id=event.film_id,
        user_id=viewer.user_id,
        profile_id=viewer.profile_id,
        session_id=event.session_id or NIL,
        seq=event.seq,
        progress_ms=event.progress_ms,
        total_ms=event.total_ms,
        watched_from_ms=event.watched_from_ms,
        event_time_ms=event.event_time_ms,
        viewed_ms=event.viewed_at,
        clock_offset_ms=event.clock_offset_ms,
        kind=event.kind or "",
        device=event.device or "",
        extra="" if event.extra is msgspec.UNSET else bytes(event.extra).decode(),
    )


async def read_stored(settings: Settings, films: Sequence[UUID], live_ms: int) -> Stored:
    """Read everything.

    Args:
        settings: Where the system is.
        films: The films whose numbers are read.
        live_ms: The moment for which live viewers are counted.
    """
    section = settings.log
    async with open_log_admin(section) as admin:
        ends = await admin.watermarks(section.topic)
        commits = await admin.committed_by(section.group, section.topic)
    views = await log_records(section, section.topic)
    async with open_warehouse(settings.warehouse) as warehouse:
        rows = await warehouse.read(_ROWS, {"nil": str(NIL)})
        ledger = await warehouse.read(_LEDGER, {"topic": section.topic})
        return Stored(
            rows=msgspec.convert(rows.rows, list[Facts]),
            playback=await _playback(warehouse),
            resume=await _resume(warehouse),
            films={film: await _film(warehouse, film, live_ms) for film in films},
            ledger=msgspec.convert(ledger.rows, list[Entry]),
            letters=await dead_letters(section),
            ends=ends,
            committed={partition: commit.offset for partition, commit in commits.items()},
            log_lines=sum(record.value.count(b"\n") + 1 for record in views),
        )


async def _playback(warehouse: Warehouse) -> Mapping[Sitting, Watched]:
    answer = await warehouse.read(_PLAYBACK)
    rows = msgspec.convert(answer.rows, list[_SittingRow])
    return {Sitting(*row[:5]): Watched(frozenset(row[5]), *row[6:]) for row in rows}


async def _resume(warehouse: Warehouse) -> Mapping[tuple[Viewer, UUID], Point]:
    answer = await warehouse.read(_RESUME)
    rows = msgspec.convert(answer.rows, list[tuple[UUID, UUID, UUID, int, int, int]])
    return {(Viewer(user, profile), film): Point(*point) for user, profile, film, *point in rows}


async def _film(warehouse: Warehouse, film_id: UUID, live_ms: int) -> FilmNumbers:
    numbers = await audience(warehouse, film_id, Days())
    buckets = await retention(
        warehouse, film_id, Days(), length_s=numbers.length_s, bucket_s=BUCKET_S
    )
    curve = [Bucket(b.viewers, b.plays, b.starts, b.stops) for b in buckets]
    return FilmNumbers(numbers, curve, await live_viewers(warehouse, film_id, live_ms))
