"""What players report, and what the product keeps of it.

`Report` is what a client may send: nearly everything is optional. `Event` is the same
report once accepted: complete, with its bounds held, and never changed afterwards. Both
use the same field names and units, so a stored line can be sent in again.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ugc_core.words import DEVICE_PATTERN, KIND_PATTERN

NIL = UUID(int=0)
"""Refused in every field, so that the warehouse can mean "absent" by it."""
MAX_TOTAL_S = 48 * 3600
MAX_STRETCH_S = 600
MAX_OVERSHOOT_S = 10
"""A player may report a playhead this far past the end; it is clamped to `total`."""
MAX_EXTRA_BYTES = 2048

# Up to the year 2255: a client clock may be absurd, but it has to fit DateTime64(3).
MAX_EPOCH_MS = 9_000_000_000_000

Seconds = Annotated[float, Meta(ge=0, le=MAX_TOTAL_S)]
EpochMs = Annotated[int, Meta(ge=0, le=MAX_EPOCH_MS)]
UtcTime = Annotated[datetime, Meta(tz=True)]
OffsetMs = Annotated[int, Meta(ge=-MAX_EPOCH_MS, le=MAX_EPOCH_MS)]
Seq = Annotated[int, Meta(ge=0, le=2**32 - 1)]
# In the schema, and checked by who decodes: see `ugc_core.words`.
Kind = Annotated[str, Meta(extra_json_schema={"pattern": KIND_PATTERN})]
Device = Annotated[str, Meta(extra_json_schema={"pattern": DEVICE_PATTERN})]


class Report(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One view-progress report, as a client sends it.

    Attributes:
        progress: Playhead when the report was made, in seconds of film.
        total: Length of the film, in seconds; up to 48 hours.
        watched_from: Start of the stretch played without a break up to `progress`, in
            seconds of film; absent in a point report, which marks its one second.
        event_id: Made once by the player and repeated by every retry; UUID v7 if it can.
        film_id: The film; from the path on the single route.
        user_id: Who watches; always the token's `sub`, so it may only repeat that.
        profile_id: Household member; absent means the user.
        viewed_at: Client clock when the report was made: RFC 3339 or epoch milliseconds.
        clock_offset_ms: Server clock minus client clock, in milliseconds, measured once per
            session by the player, so that every retry repeats it.
        session_id: One playback session.
        seq: The report's number within its session, from 0.
        kind: Why it was sent: start, heartbeat, pause, seek, end, or a newer word.
        device: web, tv, ios, …
        extra: A JSON object of at most 2 KB, nested at most 64 deep, kept verbatim.
    """

    progress: Seconds
    total: Annotated[float, Meta(gt=0, le=MAX_TOTAL_S)]
    watched_from: Seconds | None = None
    event_id: UUID | None = None
    film_id: UUID | None = None
    user_id: UUID | None = None
    profile_id: UUID | None = None
    viewed_at: UtcTime | EpochMs | None = None
    clock_offset_ms: OffsetMs | None = None
    session_id: UUID | None = None
    seq: Seq | None = None
    kind: Kind | None = None
    device: Device | None = None
    extra: Raw | UnsetType = UNSET


# Plain values alone, so the garbage collector need not look (gc=False): with tens of thousands
# of events in a batch its passes cost as much as decoding them.
class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One accepted report: the line in the log, schema version 1.

    Seconds of film have millisecond resolution; times are epoch milliseconds. An
    event's time, `event_time_ms`, never changes: `received_at` differs between two
    copies of one report, so it enters no key, no partition and no number.

    Attributes:
        event_id: Identity within (user, profile, film), for ever.
        film_id: The film.
        user_id: The token's `sub`.
        profile_id: Household member; absent means the user.
        progress: Playhead in seconds of film, 0 … total.
        total: Length of the film in seconds.
        watched_from: Start of the stretch that ends at `progress`, in seconds of film.
        viewed_at: Client clock when the report was made, epoch milliseconds.
        clock_offset_ms: Server clock minus client clock, in milliseconds.
        session_id: One playback session.
        seq: The report's number within its session.
        kind: Why it was sent.
        device: What it was sent from.
        extra: The client's own JSON object, verbatim.
        received_at: When the API took it, epoch milliseconds.
    """

    event_id: UUID
    film_id: UUID
    user_id: UUID
    profile_id: UUID | None = None
    progress: Seconds
    total: Annotated[float, Meta(gt=0, le=MAX_TOTAL_S)]
    watched_from: Seconds | None = None
    viewed_at: EpochMs
    clock_offset_ms: OffsetMs = 0
    session_id: UUID | None = None
    seq: Seq | None = None
    kind: Kind | None = None
    device: Device | None = None
    extra: Raw | UnsetType = UNSET
    received_at: EpochMs

    @property
    def event_time_ms(self) -> int:
        """When it happened, on the server's clock, epoch milliseconds."""
        return self.viewed_at + self.clock_offset_ms

    @property
    def progress_ms(self) -> int:
        """Playhead in milliseconds of film."""
        return to_ms(self.progress)

    @property
    def total_ms(self) -> int:
        """Length of the film in milliseconds."""
        return to_ms(self.total)

    @property
    def watched_from_ms(self) -> int | None:
        """Start of the stretch in milliseconds of film."""
        return None if self.watched_from is None else to_ms(self.watched_from)


def to_ms(seconds: float) -> int:
    """Return whole milliseconds, halves up: 0.0005 s is 1 ms."""
    return int(seconds * 1000 + 0.5)
