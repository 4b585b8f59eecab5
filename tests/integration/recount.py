"""Every number of the warehouse, recomputed in plain Python."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from msgspec import UNSET

from ugc_core.events import Event

NIL = UUID(int=0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Identity = tuple[UUID, UUID, UUID, UUID]
Viewing = tuple[UUID, date, UUID, UUID, UUID]
Viewer = tuple[UUID, UUID, UUID]


class Played(NamedTuple):
    """What a viewer played of a film in a session on a day."""

    seconds: frozenset[int]
    first_time: datetime
    last_time: datetime
    total_ms: int
    device: str


class Numbers(NamedTuple):
    """Everything an analyst or a viewer can read back about some reports."""

    views: dict[Identity, tuple[object, ...]]
    playback: dict[Viewing, Played]
    resume: dict[Viewer, tuple[int, int, datetime]]


def recount(copies: Sequence[Event]) -> Numbers:
    """Compute every number from the accepted copies, in any order."""
    views: dict[Identity, Event] = {}
    viewings: dict[Viewing, list[Event]] = {}
    viewers: dict[Viewer, list[Event]] = {}
    for copy in copies:
        profile = copy.profile_id or copy.user_id
        identity = (copy.film_id, copy.user_id, profile, copy.event_id)
        views[identity] = min(views.get(identity, copy), copy, key=lambda each: each.received_at)
        day = moment(copy.event_time_ms).date()
        viewing = (copy.film_id, day, copy.user_id, profile, copy.session_id or NIL)
        viewings.setdefault(viewing, []).append(copy)
        if advances(copy):
            viewers.setdefault((copy.user_id, profile, copy.film_id), []).append(copy)
    return Numbers(
        views={identity: shown(event) for identity, event in views.items()},
        playback={viewing: played(events) for viewing, events in viewings.items()},
        resume={viewer: playhead(max(events, key=order)) for viewer, events in viewers.items()},
    )


def moment(at_ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=at_ms)


def order(event: Event) -> tuple[int, int, bytes]:
    """Return what decides between two reports: time, then seq, then id."""
    return event.event_time_ms, event.seq or 0, event.event_id.bytes


def half_up(ms: int) -> int:
    """Return whole seconds, halves up."""
    return (ms + 500) // 1000


def seconds(event: Event) -> set[int]:
    """Return the seconds of the film that a report covers; neighbouring stretches tile."""
    length = max(half_up(event.total_ms), 1)
    if event.watched_from_ms is None:
        return {min(event.progress_ms // 1000, length - 1)}
    return {*range(half_up(event.watched_from_ms), min(half_up(event.progress_ms), length))}


def advances(event: Event) -> bool:
    """Say whether a report moved the playhead: a paused TV's does not."""
    if event.watched_from_ms is None:
        return event.kind is None
    return event.watched_from_ms < event.progress_ms


def played(events: Sequence[Event]) -> Played:
    times = [event.event_time_ms for event in events]
    return Played(
        seconds=frozenset[int]().union(*map(seconds, events)),
        first_time=moment(min(times)),
        last_time=moment(max(times)),
        total_ms=max(event.total_ms for event in events),
        device=max(events, key=order).device or "",
    )


def playhead(event: Event) -> tuple[int, int, datetime]:
    return event.progress_ms, event.total_ms, moment(event.event_time_ms)


def shown(event: Event) -> tuple[object, ...]:
    """Return what `views` shows of a report."""
    return (
        event.session_id,
        event.seq,
        event.progress_ms,
        event.total_ms,
        event.watched_from_ms,
        moment(event.event_time_ms),
        moment(event.viewed_at),
        event.clock_offset_ms,
        event.kind,
        event.device,
        None if event.extra is UNSET else bytes(event.extra).decode(),
        moment(event.received_at),
    )
