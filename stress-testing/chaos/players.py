"""Players that watch films: seeded, so that one seed makes the same reports every time."""

import random
from collections.abc import Sequence
from uuid import UUID

from msgspec import UNSET, Raw

from ugc_core.events import Event

FILMS = 8
TOTAL_S = 5400.0
_DAY_MS = 86_400_000
_HEARTBEAT_S = 10.0
_LATE_SHARE = 0.15
_LATE_DAYS = 25
_DEVICES = ("web", "tv", "ios", None)


class _Sitting:
    """One viewer before one film: plays, pauses, seeks, and comes to an end."""

    def __init__(self, rng: random.Random, user_id: UUID, now_ms: int) -> None:
        self._rng = rng
        self._user_id = user_id
        self._film_id = UUID(int=rng.randrange(1, FILMS + 1) << 64)
        self._profile_id = rng.choice((None, None, UUID(int=user_id.int ^ 1)))
        self._session_id = rng.choice((None, _uuid(rng), _uuid(rng)))
        self._device = rng.choice(_DEVICES)
        self._head_s = float(rng.randrange(0, int(TOTAL_S) - 100))
        self._offset_ms = rng.choice((0, 0, 1500, -3_600_000))
        late = rng.random() < _LATE_SHARE
        back_ms = rng.randrange(_DAY_MS, _LATE_DAYS * _DAY_MS) if late else 4 * 3_600_000
        self._at_ms = now_ms - back_ms
        self._seq = 0
        self.left = rng.randrange(5, 40)

    def report(self) -> Event:
        """Return what the player says next."""
        rng = self._rng
        self.left -= 1
        self._seq += 1
        self._at_ms += int(_HEARTBEAT_S * 1000)
        start_s = self._head_s
        kind: str | None = "heartbeat"
        watched_from: float | None = start_s
        what = rng.random()
        if what < 0.1:  # an older client says neither stretch nor kind
            kind = watched_from = None
        elif what < 0.15:
            kind = "pause"
        elif what < 0.2:
            self._head_s = start_s = watched_from = float(rng.randrange(0, int(TOTAL_S) - 100))
            kind = "seek"
        played_s = 0.0 if kind in {"pause", "seek"} else round(rng.uniform(0, _HEARTBEAT_S), 3)
        self._head_s = min(round(start_s + played_s, 3), TOTAL_S)
        return Event(
            event_id=_uuid(rng, self._at_ms),
            film_id=self._film_id,
            user_id=self._user_id,
            profile_id=self._profile_id,
            progress=self._head_s,
            total=TOTAL_S,
            watched_from=watched_from,
            viewed_at=self._at_ms,
            clock_offset_ms=self._offset_ms,
            session_id=self._session_id,
            seq=self._seq if self._session_id else None,
            kind=kind,
            device=self._device,
            extra=Raw(b'{"volume":7}') if what > 0.95 else UNSET,
            received_at=0,
        )


class Players:
    """A few users, each in one sitting after the other."""

    def __init__(self, seed: int, *, users: int, now_ms: int) -> None:
        """Nothing is reported yet."""
        self.rng = random.Random(seed)
        self._now_ms = now_ms
        self.users = [_uuid(self.rng) for _ in range(users)]
        self._sittings: dict[UUID, _Sitting] = {}

    def reports(self, user_id: UUID, many: int) -> Sequence[Event]:
        """Return the next reports of one user."""
        found = []
        for _ in range(many):
            sitting = self._sittings.get(user_id)
            if sitting is None or not sitting.left:
                sitting = _Sitting(self.rng, user_id, self._now_ms)
                self._sittings[user_id] = sitting
            found.append(sitting.report())
        return found


def _uuid(rng: random.Random, at_ms: int | None = None) -> UUID:
    """Return a UUID of version 4, or of version 7 made at a time."""
    bits = rng.getrandbits(128)
    version = 4 if at_ms is None else 7
    if at_ms is not None:
        bits = at_ms << 80 | bits & (1 << 80) - 1
    return UUID(int=bits & ~(0xF << 76) & ~(0b11 << 62) | version << 76 | 0b10 << 62)
