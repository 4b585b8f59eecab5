"""One viewer of a load test: real playback sessions, whose stretches tile.

Decides only; it sends nothing and knows no library that does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from ugc_cli.load_testing.scenario import Scenario
from ugc_core.uuid7 import make_uuid7

_FILMS = UUID("8d3d7a52-9a58-4c0c-9c1b-0a6c4a1d8f30")
"""Namespace of the films: every load test shows the same ones."""
_MANY = "/api/v1/progresses/"
_MOST_UNSENT = 500
"""What a player keeps for later; also the most that the API takes in a batch."""
_DEVICES = ("web", "tv", "ios", "android")

Body = Mapping[str, object]


class Turn(Struct, frozen=True, kw_only=True):
    """One request to send.

    Attributes:
        name: What it is, for the statistics.
        path: Where to.
        reports: What to POST; nothing: GET.
        single: Whether the body is the one report, not an array.
    """

    name: str
    path: str
    reports: Sequence[Body] = ()
    single: bool = False

    @property
    def body(self) -> bytes:
        """The request's JSON."""
        return msgspec.json.encode(self.reports[0] if self.single else self.reports)

    @property
    def ids(self) -> list[str]:
        """The reports' event ids, in order."""
        return [str(report["event_id"]) for report in self.reports]


@dataclass(kw_only=True)
class Viewer:
    """A viewer who plays film after film.

    Attributes:
        scenario: What viewers do.
        choice: Chooses.
        wall_ms: The clock on the wall, in milliseconds.
    """

    scenario: Scenario
    choice: Random
    wall_ms: Callable[[], int]
    _film: UUID = field(init=False)
    _session: UUID | None = None
    _seq: int = 0
    _position: float = 0.0
    _last: Turn | None = None
    _unsent: list[Body] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Choose the device; it stays the same."""
        self._device = self.choice.choice(_DEVICES)

    def next(self) -> Turn:
        """Return what to send now."""
        if self._unsent:
            again, self._unsent = self._unsent, []
            return Turn(name="again", path=_MANY, reports=again)
        if self._session is None:
            return self._remember(self._start())
        names = self.scenario.weights.__struct_fields__
        weights = msgspec.structs.astuple(self.scenario.weights)
        name = self.choice.choices(names, weights)[0]
        if name == "retry" and self._last is not None:
            return msgspec.structs.replace(self._last, name="retry")
        if name == "resume":
            return Turn(name="resume", path=self._path)
        makers = {"batch": self._batch, "stop": self._stop, "seek": self._seek}
        return self._remember(makers.get(name, self._heartbeat)())

    def keep(self, reports: Sequence[Body]) -> None:
        """Keep reports whose request failed, to be sent again."""
        self._unsent = [*self._unsent, *reports][-_MOST_UNSENT:]

    @property
    def _path(self) -> str:
        return f"{_MANY}films/{self._film}/"

    def _remember(self, turn: Turn) -> Turn:
        self._last = turn
        return turn

    def _start(self) -> Turn:
        self._film = film_id(self.choice.randrange(self.scenario.films))
        self._session = make_uuid7(self.wall_ms())
        self._seq, self._position = 0, 0.0
        return self._alone("start", self._report("start", 0.0))

    def _heartbeat(self) -> Turn:
        report = self._report("heartbeat", self.scenario.heartbeat_s)
        turn = self._alone("heartbeat", report)
        self._end_at_credits()
        return turn

    def _batch(self) -> Turn:
        """Watch on without a network; then everything at once, each with its own time."""
        step_s, many = self.scenario.heartbeat_s, self.scenario.batch_size
        reports = [
            self._report("heartbeat", step_s, ago_ms=round(left * step_s * 1000))
            for left in range(many - 1, -1, -1)
            if self._position < self.scenario.film_s  # it moves with every report
        ]
        self._end_at_credits()
        return Turn(name="batch", path=_MANY, reports=reports)

    def _stop(self) -> Turn:
        turn = self._alone("stop", self._report("end", self._part_of_a_step()))
        self._session = None
        return turn

    def _seek(self) -> Turn:
        turn = self._alone("seek", self._report("seek", self._part_of_a_step()))
        self._position = round(self.choice.uniform(0, self.scenario.film_s * 0.9))
        return turn

    def _part_of_a_step(self) -> float:
        return round(self.choice.uniform(0, self.scenario.heartbeat_s), 1)

    def _end_at_credits(self) -> None:
        if self._position >= self.scenario.film_s:
            self._session = None

    def _alone(self, name: str, report: Body) -> Turn:
        return Turn(name=name, path=self._path, reports=(report,), single=True)

    def _report(self, kind: str, watched_s: float, *, ago_ms: int = 0) -> Body:
        """Watch on, and report the stretch; the next one begins where it ends."""
        begin = self._position
        self._position = round(min(begin + watched_s, self.scenario.film_s), 3)
        self._seq += 1
        at_ms = self.wall_ms() - ago_ms
        return {
            "event_id": str(make_uuid7(at_ms)),
            "film_id": str(self._film),
            "progress": self._position,
            "total": self.scenario.film_s,
            "watched_from": begin,
            "viewed_at": at_ms,
            "session_id": str(self._session),
            "seq": self._seq - 1,
            "kind": kind,
            "device": self._device,
        }


def film_id(number: int) -> UUID:
    """Return the id of one of the films."""
    return uuid5(_FILMS, str(number))
