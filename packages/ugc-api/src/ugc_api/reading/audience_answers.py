"""What the audience routes answer; architecture/metrics.md defines every number."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from msgspec import Struct

from ugc_api.reading.answers import UtcText
from ugc_core.audience import RetentionBucket


class FilmAudience(Struct, frozen=True, kw_only=True):
    """The audience of one film over a range of UTC days.

    Attributes:
        film_id: The film.
        since: First day that counts; null: from the beginning.
        until: Last day that counts; null: up to now.
        as_of: When the warehouse was asked: RFC 3339, UTC, milliseconds. Later reports may be
            missing.
        length_s: The longest `total` that was reported, in seconds; 0 without a report.
        reach: Viewers with at least one watched second.
        plays: Sittings with at least one watched second.
        watch_time_s: Sum over plays of their distinct watched seconds.
        unique_s: Sum over viewers of their distinct watched seconds.
        rewatched_s: Seconds that a viewer had watched in another play already.
        average_view_s: Watch time by plays, in seconds; 0 without a play.
        completed: Viewers that watched nine tenths of the film or more.
        completion_share: Completed by reach, 0 to 1; 0 without a viewer.
    """

    film_id: UUID
    since: date | None
    until: date | None
    as_of: UtcText
    length_s: int
    reach: int
    plays: int
    watch_time_s: int
    unique_s: int
    rewatched_s: int
    average_view_s: float
    completed: int
    completion_share: float


class RetentionCurve(Struct, frozen=True, kw_only=True):
    """How much of an audience each part of a film has.

    Attributes:
        film_id: The film.
        since: First day that counts; null: from the beginning.
        until: Last day that counts; null: up to now.
        as_of: When the warehouse was asked: RFC 3339, UTC, milliseconds. Later reports may be
            missing.
        length_s: The longest `total` that was reported, in seconds; 0 without a report.
        reach: Viewers with at least one watched second: the whole, of which a bucket's viewers
            are a share.
        bucket_s: Width of a bucket, in seconds of film; the last one may be shorter.
        buckets: Every bucket up to the film's end, empty ones included.
    """

    film_id: UUID
    since: date | None
    until: date | None
    as_of: UtcText
    length_s: int
    reach: int
    bucket_s: int
    buckets: Sequence[RetentionBucket]


class LiveViewers(Struct, frozen=True, kw_only=True):
    """How many watch a film now.

    Attributes:
        film_id: The film.
        viewers: Viewers with a report in the minute up to `as_of`.
        as_of: The moment that is meant: RFC 3339, UTC, milliseconds.
    """

    film_id: UUID
    viewers: int
    as_of: UtcText
