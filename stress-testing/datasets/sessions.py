"""Viewing sessions out of the MovieLens ratings, by a seeded rule.

Every rating becomes one sitting with its film. Everything is drawn from a generator seeded
with the row's number, so a sitting can be made again at any time and is always the same.

- **Length of the film**: 75 to 164 seconds by its number (a minute becomes a second, so
  that a million reports cover whole films); every fiftieth film keeps its minutes.
- **How much is played**: a fifth of the film for each star, times a draw from 0.4 to 1.2.
- **Reports**: one at the start, a heartbeat for every 10 s of playing with the stretch
  played since the report before, one at each pause and jump, one at the end.
- **Breaks**: after a heartbeat in 6 of 100 cases, 5 s to 40 min; the paused device reports
  once more where it stands, which moves nothing.
- **Jumps**: in 4 of 100, to any place up to the film's end.
- **Rewatching**: 12 of 100 begin the film again once they are through, half of them in a
  session of its own the day after.
- **Who**: of every five users two have two profiles beside their own.
- **Clocks**: of every four sittings one has a player's clock that is off by up to 90 min.
- **Older clients**: 4 of 100 sittings report points alone: no stretch, kind or session.
"""

import random
from collections.abc import Iterator
from uuid import UUID, uuid5

from msgspec import Struct

from datasets.ratings import NAMESPACE, Rating
from ugc_core.events import Event

HEARTBEAT_MS = 10_000
_SEED = "ugc sittings 1"
_DAY_MS = 86_400_000
_CLOCK_MS = 5_400_000
_KEEPS_MINUTES = 50
_DEVICES = ("web", "tv", "ios", "android")


class Report(Struct, frozen=True, kw_only=True, gc=False):
    """One report to be; times and seconds of film in milliseconds."""

    event_id: UUID
    film_id: UUID
    user_id: UUID
    profile_id: UUID | None
    progress_ms: int
    total_ms: int
    from_ms: int | None
    viewed_ms: int
    offset_ms: int
    session_id: UUID | None
    seq: int | None
    kind: str | None
    device: str | None

    @property
    def at_ms(self) -> int:
        """When it was made, on the server's clock."""
        return self.viewed_ms + self.offset_ms

    def body(self) -> dict[str, object]:
        """Return what the player sends: what is absent is left out."""
        fields = {
            "event_id": self.event_id,
            "film_id": self.film_id,
            "profile_id": self.profile_id,
            "progress": self.progress_ms / 1000,
            "total": self.total_ms / 1000,
            "watched_from": None if self.from_ms is None else self.from_ms / 1000,
            "viewed_at": self.viewed_ms,
            "clock_offset_ms": self.offset_ms or None,
            "session_id": self.session_id,
            "seq": self.seq,
            "kind": self.kind,
            "device": self.device,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def event(self) -> Event:
        """Return what the oracle counts."""
        return Event(
            event_id=self.event_id,
            film_id=self.film_id,
            user_id=self.user_id,
            profile_id=self.profile_id,
            progress=self.progress_ms / 1000,
            total=self.total_ms / 1000,
            watched_from=None if self.from_ms is None else self.from_ms / 1000,
            viewed_at=self.viewed_ms,
            clock_offset_ms=self.offset_ms,
            session_id=self.session_id,
            seq=self.seq,
            kind=self.kind,
            device=self.device,
            received_at=self.viewed_ms,
        )


class Sitting:
    """One rating at play: a playhead, a clock, and the reports that come of them."""

    def __init__(self, rating: Rating) -> None:
        """Draw everything that holds for the whole sitting."""
        self.draw = draw = random.Random(f"{_SEED}: {rating.row}")
        self.rating = rating
        self.total_ms = length_ms(rating.film)
        self.played_ms = min(rating.stars / 5 * draw.uniform(0.4, 1.2), 1) * self.total_ms
        if rating.film % _KEEPS_MINUTES == 0:
            self.played_ms /= 60
        self.old_client = draw.random() < 0.04
        self.profile_id = _profile(rating, draw)
        self.offset_ms = draw.randint(-_CLOCK_MS, _CLOCK_MS) if draw.random() < 0.25 else 0
        self.device = draw.choice(_DEVICES)
        self.at_ms = rating.at_ms
        self.playhead_ms = self.since_ms = 0
        self.session = self.seq = 0

    def reports(self) -> Iterator[Report]:
        """Yield the reports in the order in which they are made."""
        yield from self._sit(int(self.played_ms))
        if self.draw.random() < 0.12:
            if self.draw.random() < 0.5:
                self.session, self.seq = 1, 0
                self.at_ms += _DAY_MS
            self._jump(0)
            yield from self._sit(int(self.played_ms * self.draw.random()))

    def _sit(self, left_ms: int) -> Iterator[Report]:
        yield self._report("start", moved=False)
        while left_ms > 0:
            self.since_ms = self.playhead_ms
            step = min(HEARTBEAT_MS, left_ms, self.total_ms - self.playhead_ms)
            self.playhead_ms += step
            self.at_ms += step
            left_ms -= step
            if self.playhead_ms == self.total_ms:
                break
            yield from self._interrupted()
        yield self._report("end", moved=self.since_ms < self.playhead_ms)

    def _interrupted(self) -> Iterator[Report]:
        """Report what was played, and pause or jump now and then."""
        chance = self.draw.random()
        if chance < 0.06:
            yield self._report("pause")
            self.at_ms += self.draw.randint(5_000, 2_400_000)
            yield self._report("pause", moved=False)
        elif chance < 0.10:
            yield self._report("seek")
            self._jump(self.draw.randrange(self.total_ms))
        else:
            yield self._report("heartbeat")

    def _jump(self, to_ms: int) -> None:
        self.playhead_ms = self.since_ms = to_ms

    def _report(self, kind: str, *, moved: bool = True) -> Report:
        number, self.seq = self.seq, self.seq + 1
        from_ms = self.since_ms if moved else None
        self.since_ms = self.playhead_ms
        bits = self.draw.getrandbits(74)
        viewed_ms = self.at_ms - self.offset_ms
        return Report(
            event_id=_uuid7(viewed_ms, bits),
            film_id=self.rating.film_id,
            user_id=self.rating.user_id,
            profile_id=self.profile_id,
            progress_ms=self.playhead_ms,
            total_ms=self.total_ms,
            from_ms=None if self.old_client else from_ms,
            viewed_ms=viewed_ms,
            offset_ms=self.offset_ms,
            session_id=None if self.old_client else self._session_id(),
            seq=None if self.old_client else number,
            kind=None if self.old_client else kind,
            device=None if self.old_client else self.device,
        )

    def _session_id(self) -> UUID:
        return UUID(int=0x5E55 << 112 | self.rating.row << 8 | self.session)


def reports(rating: Rating) -> list[Report]:
    """Return the reports of one rating, always the same ones."""
    return [*Sitting(rating).reports()]


def length_ms(film: int) -> int:
    """Return the length of a film by its number."""
    minutes = 75 + film % 90
    return minutes * (60_000 if film % _KEEPS_MINUTES == 0 else 1000)


def profiles(rating: Rating) -> list[UUID | None]:
    """Return the profiles of a user; None is the user's own."""
    if rating.user % 5 > 1:
        return [None]
    return [None, *(uuid5(NAMESPACE, f"user {rating.user} profile {n}") for n in (1, 2))]


def _profile(rating: Rating, draw: random.Random) -> UUID | None:
    return draw.choice(profiles(rating))


def _uuid7(at_ms: int, bits: int) -> UUID:
    """Return the v7 id of a time with 74 given bits."""
    high, low = bits >> 62, bits & (1 << 62) - 1
    return UUID(int=at_ms << 80 | 7 << 76 | high << 64 | 0b10 << 62 | low)
