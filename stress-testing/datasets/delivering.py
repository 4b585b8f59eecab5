"""Sends sittings to a system that dies and comes back, and keeps a journal.

Whatever is not answered 202 is sent again with the same ids until it is: a request that
failed may have been kept, so its reports are unknown until then.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import msgspec
from harness.mortal import Mortal

from datasets.ratings import Rating
from datasets.sending import Request, by_user, requests

ACCEPTED = 202
USERS_AT_ONCE = 8
DEADLINE_S = 120
_PAUSE_S = 0.2
_encode = msgspec.json.Encoder().encode


class _Verdicts(msgspec.Struct):
    """What matters in the answer to a batch."""

    accepted: int
    refused: int
    duplicates: int


@dataclass(kw_only=True)
class Journal:
    """What was sent and what was answered; ids are kept as numbers.

    Attributes:
        accepted: Reports that were answered 202.
        unknown: Reports that were sent and not (yet) answered 202.
        sent: Reports in requests that were answered 202, repeats included.
        repeated: Those of them that had been sent before by the plan.
        singles: Requests of one report.
        batches: Requests of several.
        retries: Requests that had to be sent again, by what had gone wrong.
    """

    accepted: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    sent: int = 0
    repeated: int = 0
    singles: int = 0
    batches: int = 0
    retries: Counter[str] = field(default_factory=Counter)


async def deliver(system: Mortal, ratings: Sequence[Rating], *, kills: int) -> Journal:
    """Send every user's reports, while the system is killed after equal parts of them."""
    users = by_user(ratings)
    slots = asyncio.Semaphore(USERS_AT_ONCE)
    marks = [len(ratings) * number // (kills + 1) for number in range(1, kills + 1)]
    async with httpx.AsyncClient(timeout=30) as client:
        sender = _Sender(system=system, client=client)

        async def one(own: Sequence[Rating]) -> None:
            async with slots:
                await sender.send_all(own)

        async def strike() -> None:
            for mark in marks:
                await sender.has_done(mark)
                await asyncio.to_thread(system.kill_and_restart)

        async with asyncio.TaskGroup() as group:
            group.create_task(strike())
            for own in users.values():
                group.create_task(one(own))
    return sender.journal


@dataclass(kw_only=True)
class _Sender:
    """Sends requests until they are accepted.

    Attributes:
        done: For how many ratings everything was sent.
    """

    system: Mortal
    client: httpx.AsyncClient
    journal: Journal = field(default_factory=Journal)
    done: float = 0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def has_done(self, mark: float) -> None:
        """Wait until so much was sent."""
        while self.done < mark:
            self._moved.clear()
            await self._moved.wait()

    async def send_all(self, own: Sequence[Rating]) -> None:
        """Send one user's reports, one request after the other."""
        plan = [*requests(own)]
        token = self.system.token(plan[0].user_id)
        headers = {"Authorization": f"Bearer {token}"}
        for request in plan:
            await self._until_accepted(request, headers)
            self.done += len(own) / len(plan)
            self._moved.set()

    async def _until_accepted(self, request: Request, headers: dict[str, str]) -> None:
        journal, ids = self.journal, {report.event_id.int for report in request.reports}
        journal.unknown |= ids - journal.accepted
        async with asyncio.timeout(DEADLINE_S):
            while (why := await self._send(request, headers)) is not None:
                journal.retries[why] += 1
                await asyncio.sleep(_PAUSE_S)
        journal.accepted |= ids
        journal.unknown -= ids
        journal.sent += len(request.reports)
        journal.repeated += request.repeated
        journal.singles += len(request.reports) == 1
        journal.batches += len(request.reports) > 1

    async def _send(self, request: Request, headers: dict[str, str]) -> str | None:
        """Send once; return what went wrong, or None."""
        path, kind = "progresses/", "application/x-ndjson"
        if len(request.reports) == 1:
            film_id = request.reports[0].film_id
            path, kind = f"progresses/films/{film_id}/", "application/json"
        content = b"\n".join(_encode(report.body()) for report in request.reports)
        try:
            answer = await self.client.post(
                self.system.api + path, content=content, headers={**headers, "Content-Type": kind}
            )
        except httpx.TransportError as error:
            return type(error).__name__
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            return str(answer.status_code)
        if answer.status_code != ACCEPTED:
            msg = f"{path} was refused: {answer.status_code} {answer.text[:300]}"
            raise RuntimeError(msg)
        if len(request.reports) > 1:
            _check(answer.content, len(request.reports))
        return None


def _check(answer: bytes, many: int) -> None:
    """Look through a batch's verdicts: none of our reports is to be refused."""
    found = msgspec.json.decode(answer, type=_Verdicts)
    if found.refused or found.accepted + found.duplicates != many:
        msg = f"of {many} reports {found.refused} were refused: {answer[:300]!r}"
        raise RuntimeError(msg)
