"""Players that send reports as fast as they can, and a journal of what became of each."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import httpx

from tests.e2e.systems import Up
from ugc_core.clock import SystemClock
from ugc_core.uuid7 import make_uuid7

_BATCH = 500
_JOIN_S = 30
_PAUSE_S = 0.02
"""After a refusal, as a player would; also what keeps a dead service from being hammered."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One report; every retry sends the same."""

    user: UUID
    body: dict[str, object]


@dataclass(kw_only=True)
class Journal:
    """Every report that was ever sent, and those that were acknowledged.

    A failed request is an unknown outcome: its reports may be kept or not.
    """

    attempted: dict[UUID, Attempt] = field(default_factory=dict)
    accepted: set[UUID] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    def report(self, user: UUID) -> tuple[UUID, dict[str, object]]:
        """Make a report, and note that it is sent."""
        event_id = make_uuid7(SystemClock().wall_ms())
        body = {
            "event_id": str(event_id),
            "film_id": str(uuid4()),
            "progress": len(self.attempted) % 5000,
            "total": 5400,
        }
        self.attempted[event_id] = Attempt(user=user, body=body)
        return event_id, body

    def retry_unknown(self, up: Up) -> None:
        """Send again what was not acknowledged, as players do, until nothing is unknown."""
        unknown: dict[UUID, list[UUID]] = {}
        for event_id in self.attempted.keys() - self.accepted:
            unknown.setdefault(self.attempted[event_id].user, []).append(event_id)
        for user, event_ids in unknown.items():
            with up.client(user) as client:
                for part in range(0, len(event_ids), _BATCH):
                    self._send_again(client, event_ids[part : part + _BATCH])

    def _send_again(self, client: httpx.Client, event_ids: Sequence[UUID]) -> None:
        bodies = [self.attempted[event_id].body for event_id in event_ids]
        answer = client.post("/api/v1/progresses/", json=bodies)
        assert answer.status_code == 202, answer.text
        assert answer.json()["accepted"] == len(bodies), answer.text
        self.accepted.update(event_ids)


class Sender(threading.Thread):
    """One player: by turns a single report, and a batch of five."""

    def __init__(self, up: Up, journal: Journal, stop: threading.Event) -> None:
        super().__init__()
        self._user = uuid4()
        self._client = up.client(self._user)
        self._journal = journal
        self._stopped = stop

    def run(self) -> None:
        with self._client:
            single = True
            while not self._stopped.is_set():
                self._send(1 if single else 5)
                single = not single

    def _send(self, many: int) -> None:
        reports = [self._journal.report(self._user) for _ in range(many)]
        try:
            answer = self._post([body for _, body in reports])
        except httpx.TransportError as error:
            self._failed(repr(error))
            return
        if answer.status_code == 202:
            self._journal.accepted.update(event_id for event_id, _ in reports)
        else:
            self._failed(f"{answer.status_code} {answer.text}")

    def _post(self, bodies: Sequence[dict[str, object]]) -> httpx.Response:
        if len(bodies) > 1:
            return self._client.post("/api/v1/progresses/", json=bodies)
        film = bodies[0]["film_id"]
        return self._client.post(f"/api/v1/progresses/films/{film}/", json=bodies[0])

    def _failed(self, why: str) -> None:
        self._journal.failures.append(why)
        self._stopped.wait(_PAUSE_S)


@contextmanager
def load(up: Up, journal: Journal, *, senders: int = 2) -> Iterator[None]:
    """Send reports for as long as the block runs."""
    stop = threading.Event()
    threads = [Sender(up, journal, stop) for _ in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(_JOIN_S)
    assert not any(thread.is_alive() for thread in threads)
