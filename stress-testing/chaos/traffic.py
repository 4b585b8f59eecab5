"""Players' traffic: it goes on before, during and after a fault, and tries again like players."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import httpx
import msgspec

from chaos.journal import Journal, Outcome
from chaos.players import Players
from chaos.programs import until
from chaos.systems import System, token
from ugc_core.codec import encode_event
from ugc_core.events import Event

ACCEPTED = 202
_CLIENT_ERROR, _SERVER_ERROR, _UNAVAILABLE = 400, 500, 503
_AGAIN = frozenset({408, 429})
_PAUSE_S = 0.1
"""After a refusal, as a player would; also what keeps a dead service from being hammered."""
_TIMEOUT_S = 15.0
_SETTLE_S = 90.0
_SINGLE_EVERY = 5


class _Item(msgspec.Struct):
    """What matters in the verdict on an item of a batch."""

    status: str
    problem: object = None


class _Many(msgspec.Struct):
    """What matters in the answer to a batch."""

    items: list[_Item]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast players report.

    Attributes:
        senders: Connections.
        users: Users, dealt out among them.
        batch: Reports in a batch.
        rate: Reports a second of all senders together, while nothing holds them up.
    """

    senders: int
    users: int
    batch: int
    rate: float


@dataclass(kw_only=True)
class Traffic:
    """Senders at work.

    Attributes:
        system: Where they send.
        journal: What they know.
        pace: How fast.
        copies: How often each report is sent; the further copies come later, in other orders.
        statuses: How often each status was answered; 0 is no answer.
        refusals: Why reports were refused for good.
        slowest_s: The longest wait for a 202.
        slowest_refusal_s: The longest wait for a 503.
        unadvised: How many of those did not say when to try again.
        cut: Requests that were under way when the connection went.
    """

    system: System
    journal: Journal
    players: Players
    pace: Pace
    copies: int = 1
    statuses: Counter[int] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest_refusal_s: float = 0.0
    unadvised: int = 0
    cut: int = 0
    _unknown: deque[tuple[UUID, Sequence[Event]]] = field(default_factory=deque)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def accepted(self) -> int:
        """How many requests were answered with 202."""
        return self.statuses[ACCEPTED]

    async def more(self, reports: int) -> None:
        """Wait until so many more reports were made."""
        wanted = len(self.journal.events) + reports
        longest_s = 60 + 10 * reports / self.pace.rate
        await until(
            lambda: len(self.journal.events) >= wanted, f"{reports} reports", within_s=longest_s
        )

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Send as long as the block runs, then until no outcome is unknown.

        Raises:
            TimeoutError: Some outcome stays unknown.
        """
        dealt = [self.players.users[n :: self.pace.senders] for n in range(self.pace.senders)]
        tasks = [asyncio.create_task(self._send_on(users)) for users in dealt]
        try:
            yield
            self._stop.set()
            async with asyncio.timeout(_SETTLE_S):
                await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def burst(self, requests: int, *, timeout_s: float = _TIMEOUT_S) -> None:
        """Have many more requests under way at once, of players who leave after a while."""
        async with self._client(timeout_s) as client, asyncio.TaskGroup() as group:
            for turn in range(requests):
                group.create_task(self._send(client, *self._fresh(self.players.users, turn)))

    async def _send_on(self, users: Sequence[UUID]) -> None:
        turn = 0
        async with self._client() as client:
            while not self._stop.is_set() or self._unknown:
                turn += 1
                again = bool(self._unknown) and (turn % 2 == 0 or self._stop.is_set())
                user, lot = self._unknown.popleft() if again else self._fresh(users, turn)
                began = time.monotonic()
                if not await self._send(client, user, lot):
                    await asyncio.sleep(_PAUSE_S)
                if not again:
                    copies = [
                        self.players.rng.sample(lot, len(lot)) for _ in range(self.copies - 1)
                    ]
                    self._unknown.extend((user, copy) for copy in copies)
                owed_s = len(lot) * self.pace.senders / self.pace.rate
                await asyncio.sleep(max(owed_s - (time.monotonic() - began), 0))

    def _client(self, timeout_s: float = _TIMEOUT_S) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.system.api, timeout=timeout_s)

    async def _send(self, client: httpx.AsyncClient, user: UUID, lot: Sequence[Event]) -> bool:
        """Send reports; put them back if their outcome is unknown, and say whether it is not."""
        known = await self._post(client, token(self.system.settings, user), lot)
        if not known:
            self._unknown.append((user, lot))
        return known

    def _fresh(self, users: Sequence[UUID], turn: int) -> tuple[UUID, Sequence[Event]]:
        user = users[turn % len(users)]
        many = 1 if turn % _SINGLE_EVERY == 0 else self.pace.batch
        return user, self.players.reports(user, many)

    async def _post(self, client: httpx.AsyncClient, bearer: str, lot: Sequence[Event]) -> bool:
        """Send reports; say whether their outcome is known."""
        self.journal.sending(lot)
        began = time.monotonic()
        try:
            answer = await post(client, bearer, lot)
        except httpx.TransportError as error:
            self.statuses[0] += 1
            self.cut += not isinstance(error, httpx.ConnectError)
            return self._heard(lot, Outcome.UNKNOWN)
        self.statuses[answer.status_code] += 1
        if answer.status_code == _UNAVAILABLE:
            self.slowest_refusal_s = max(self.slowest_refusal_s, time.monotonic() - began)
            self.unadvised += "retry-after" not in answer.headers
        if answer.status_code == ACCEPTED:
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            return self._verdicts(lot, answer)
        if answer.status_code >= _SERVER_ERROR or answer.status_code in _AGAIN:
            return self._heard(lot, Outcome.UNKNOWN)
        self.refusals.append(f"{answer.status_code} {answer.text[:200]}")
        return self._heard(lot, Outcome.FAILED)

    def _heard(self, lot: Sequence[Event], outcome: Outcome) -> bool:
        for event in lot:
            self.journal.heard(event.event_id, outcome)
        return outcome is not Outcome.UNKNOWN

    def _verdicts(self, lot: Sequence[Event], answer: httpx.Response) -> bool:
        if len(lot) == 1:
            return self._heard(lot, Outcome.OK)
        items = msgspec.json.decode(answer.content, type=_Many).items
        for event, item in zip(lot, items, strict=True):
            kept = item.status in {"accepted", "duplicate"}
            self.journal.heard(event.event_id, Outcome.OK if kept else Outcome.FAILED)
            if not kept:
                self.refusals.append(f"{item.status} {item.problem}"[:200])
        return True


async def post(client: httpx.AsyncClient, bearer: str, lot: Sequence[Event]) -> httpx.Response:
    """Send one report alone, several in a batch."""
    lines = [encode_event(event) for event in lot]
    url = "/api/v1/progresses/"
    if len(lot) == 1:
        url, body = f"{url}films/{lot[0].film_id}/", lines[0]
    else:
        body = b"[" + b",".join(lines) + b"]"
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    return await client.post(url, content=body, headers=headers)
