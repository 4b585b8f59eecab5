"""Every number of architecture/metrics.md, computed by brute force in plain Python.

The suites hold the product against this module, so it is written to be read, not to be
fast: sets of seconds, dictionaries, no shortcuts. Reports come in as the event struct;
everything else is Python's own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from ugc_core.events import Event

NIL = UUID(int=0)
DAY_MS = 86_400_000
LIVE_WINDOW_MS = 60_000
COMPLETED_SHARE = Fraction(9, 10)
FINISHED_SHARE = Fraction(95, 100)


class Viewer(NamedTuple):
    """Who watches: a user, or a member of the user's household."""

    user_id: UUID
    profile_id: UUID


class Play(NamedTuple):
    """One sitting: a session, or a viewer's day where no session is reported.

    Attributes:
        viewer: Who.
        session_id: The session; nil without one.
        day: The UTC day since 1970 without a session; 0 with one.
    """

    viewer: Viewer
    session_id: UUID
    day: int


class Point(NamedTuple):
    """Where a viewer is in a film; all in milliseconds."""

    progress_ms: int
    total_ms: int
    at_ms: int


class Bucket(NamedTuple):
    """One bucket of the retention curve: counts of viewers and of plays."""

    viewers: int
    plays: int
    starts: int
    stops: int


@dataclass(frozen=True, kw_only=True)
class FilmMetrics:
    """The numbers of one film; seconds are whole seconds of film.

    Attributes:
        length_s: The longest total that was reported, in whole seconds, halves up.
        reach: Viewers with at least one watched second.
        plays: Plays with at least one watched second.
        watch_time_s: Sum over plays of their distinct watched seconds.
        unique_s: Sum over viewers of their distinct watched seconds.
        rewatched_s: Watch time less unique seconds.
        completed: Viewers that watched nine tenths of the film's seconds or more.
        curve: The buckets in order.
    """

    length_s: int
    reach: int
    plays: int
    watch_time_s: int
    unique_s: int
    rewatched_s: int
    completed: int
    curve: Sequence[Bucket]

    @property
    def average_view_duration_s(self) -> Fraction:
        """Watch time by plays; 0 without a play."""
        return Fraction(self.watch_time_s, self.plays) if self.plays else Fraction(0)

    @property
    def completion_rate(self) -> Fraction:
        """Completed viewers by reach; 0 without a viewer."""
        return Fraction(self.completed, self.reach) if self.reach else Fraction(0)


def viewer_of(event: Event) -> Viewer:
    """Return who made the report."""
    return Viewer(event.user_id, event.profile_id or event.user_id)


def kept(copies: Iterable[tuple[Event, bytes]], tie: "Tie") -> list[Event]:
    """Return each report once: of its copies the first accepted.

    Args:
        copies: Every accepted copy with its line.
        tie: Order of lines that were accepted in the same millisecond, highest first.
    """
    first: dict[tuple[UUID, Viewer, UUID], tuple[tuple[int, int], Event]] = {}
    for event, line in copies:
        identity = (event.film_id, viewer_of(event), event.event_id)
        rank = (-event.received_at, tie(line))
        if identity not in first or first[identity][0] < rank:
            first[identity] = (rank, event)
    return [event for _, event in first.values()]


class Tie:
    """Tells apart lines of one millisecond, by their bytes alone."""

    def __call__(self, line: bytes) -> int:
        """Return the line's rank: the low 20 bits of its CRC-32."""
        remainder = 0xFFFFFFFF
        for byte in line:
            remainder ^= byte
            for _ in range(8):
                remainder = remainder >> 1 ^ (0xEDB88320 if remainder & 1 else 0)
        return (remainder ^ 0xFFFFFFFF) & 0xFFFFF


def rounded_s(ms: int) -> int:
    """Return whole seconds, halves up."""
    return (ms + 500) // 1000


def seconds_of(event: Event) -> frozenset[int]:
    """Return the seconds of film that a report says were watched.

    A stretch covers [round(from), round(to)), so that neighbouring stretches tile; a point
    report marks its one second. Nothing lies past the film's last second.
    """
    length_s = max(rounded_s(event.total_ms), 1)
    if event.watched_from_ms is None:
        return frozenset({min(event.progress_ms // 1000, length_s - 1)})
    end_s = min(rounded_s(event.progress_ms), length_s)
    return frozenset(range(rounded_s(event.watched_from_ms), end_s))


def play_of(event: Event) -> Play:
    """Return the play that a report belongs to."""
    session_id = event.session_id or NIL
    day = 0 if event.session_id else event.event_time_ms // DAY_MS
    return Play(viewer_of(event), session_id, day)


def film_metrics(
    events: Iterable[Event], bucket_s: int, *, since_day: int = 0, until_day: int = 2**31
) -> FilmMetrics:
    """Return the numbers of one film.

    Args:
        events: The film's reports, each once.
        bucket_s: Width of a bucket in seconds of film.
        since_day: First UTC day since 1970 that counts.
        until_day: Last UTC day that counts.
    """
    by_play: dict[Play, set[int]] = defaultdict(set)
    by_viewer: dict[Viewer, set[int]] = defaultdict(set)
    length_s = 0
    for event in events:
        if not since_day <= event.event_time_ms // DAY_MS <= until_day:
            continue
        length_s = max(length_s, rounded_s(event.total_ms), 1)
        by_play[play_of(event)] |= seconds_of(event)
        by_viewer[viewer_of(event)] |= seconds_of(event)
    plays = [seconds for seconds in by_play.values() if seconds]
    viewers = [seconds for seconds in by_viewer.values() if seconds]
    watch_time_s = sum(map(len, plays))
    unique_s = sum(map(len, viewers))
    return FilmMetrics(
        length_s=length_s,
        reach=len(viewers),
        plays=len(plays),
        watch_time_s=watch_time_s,
        unique_s=unique_s,
        rewatched_s=watch_time_s - unique_s,
        completed=sum(len(seconds) >= COMPLETED_SHARE * length_s for seconds in viewers),
        curve=_curve(viewers, plays, length_s, bucket_s),
    )


def _curve(
    viewers: Sequence[set[int]], plays: Sequence[set[int]], length_s: int, bucket_s: int
) -> list[Bucket]:
    curve = []
    for start in range(0, length_s, bucket_s):
        bucket = set(range(start, start + bucket_s))
        curve.append(
            Bucket(
                viewers=sum(bool(seconds & bucket) for seconds in viewers),
                plays=sum(bool(seconds & bucket) for seconds in plays),
                starts=sum(min(seconds) in bucket for seconds in plays),
                stops=sum(max(seconds) in bucket for seconds in plays),
            )
        )
    return curve


def advances(event: Event) -> bool:
    """Say whether a report advanced playback, and so may move the resume point.

    It played a stretch, or is one of an older client that says neither stretch nor kind.
    """
    if event.watched_from_ms is not None:
        return event.progress_ms > event.watched_from_ms
    return event.kind is None


def resume_points(events: Iterable[Event]) -> Mapping[tuple[Viewer, UUID], Point]:
    """Return the resume point by viewer and film: the latest report that advanced playback.

    Ties in time: seq, then event_id by its bytes.
    """
    latest: dict[tuple[Viewer, UUID], tuple[tuple[int, int, bytes], Point]] = {}
    for event in filter(advances, events):
        key = (viewer_of(event), event.film_id)
        order = (event.event_time_ms, event.seq or 0, event.event_id.bytes)
        if key not in latest or latest[key][0] < order:
            point = Point(event.progress_ms, event.total_ms, event.event_time_ms)
            latest[key] = (order, point)
    return {key: point for key, (_, point) in latest.items()}


def finished(point: Point) -> bool:
    """Say whether a film is over for its viewer: the playhead is in its last twentieth."""
    return point.progress_ms >= FINISHED_SHARE * point.total_ms


def continue_watching(
    events: Iterable[Event], viewer: Viewer, *, include_finished: bool = False
) -> list[tuple[UUID, Point]]:
    """Return a viewer's films, the latest first; of one time, the higher film id first."""
    points = resume_points(event for event in events if viewer_of(event) == viewer)
    films = [(film_id, point) for (_, film_id), point in points.items()]
    return in_order(films, include_finished=include_finished)


def in_order(
    films: Iterable[tuple[UUID, Point]], *, include_finished: bool = False
) -> list[tuple[UUID, Point]]:
    """Return one viewer's resume points as continue watching lists them."""
    listed = [
        (film_id, point) for film_id, point in films if include_finished or not finished(point)
    ]
    return sorted(listed, key=lambda item: (item[1].at_ms, item[0].bytes), reverse=True)


def live_viewers(events: Iterable[Event], at_ms: int) -> int:
    """Return the viewers of a film with a report in the minute up to `at_ms`."""
    return len(
        {
            viewer_of(event)
            for event in events
            if at_ms - LIVE_WINDOW_MS < event.event_time_ms <= at_ms
        }
    )
