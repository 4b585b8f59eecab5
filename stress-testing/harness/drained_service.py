"""A service that is told to stop while requests are under way: what became of each of them."""

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from chaos.programs import LateError
from msgspec import Struct

from harness.api_stage import Service

CLIENTS = 64
_ACCEPTED = b"HTTP/1.1 202"
_ANSWER_S = 30.0


class Drain(Struct, frozen=True, kw_only=True):
    """What became of the requests, and of the service.

    Attributes:
        answered: Requests that were answered, before the signal and after it.
        refused: Answers that were not 202.
        unanswered_before: Requests sent before the signal whose connection ended without an
            answer.
        unanswered_after: Those sent after it, on connections that were still open.
        acknowledged: Ids of the reports that were answered 202.
        exit_code: How it ended; negative for a signal; None: it did not.
        seconds: From the signal to its end.
    """

    answered: int
    refused: int
    unanswered_before: int
    unanswered_after: int
    acknowledged: list[UUID]
    exit_code: int | None
    seconds: float


class _Identified(Struct):
    event_id: UUID


class _Tally:
    """What the clients send, and have met so far."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self._unsent = iter(requests)
        self.signalled_at: float | None = None
        self.answered = self.refused = self.before = self.after = 0
        self.acknowledged: list[UUID] = []
        self.all_taken_in = asyncio.Event()
        self._taken_in: set[int] = set()

    def taken_in(self, client: int) -> None:
        """Note that a client has had an answer."""
        self._taken_in.add(client)
        if len(self._taken_in) == CLIENTS:
            self.all_taken_in.set()

    def request(self) -> bytes:
        """Return the next request.

        Raises:
            RuntimeError: There is none: it would be taken for a service that has ended.
        """
        for request in self._unsent:
            return request
        msg = "too few requests were made beforehand"
        raise RuntimeError(msg)

    def lost(self, sent_at: float) -> None:
        """Count a request whose connection has ended."""
        if self.signalled_at is None or sent_at < self.signalled_at:
            self.before += 1
        else:
            self.after += 1


async def drained(
    service: Service, requests: Sequence[bytes], *, load_s: float, within_s: float
) -> Drain:
    """Send requests on many connections, have the service stop meanwhile, and count.

    Args:
        service: Which; it is stopped afterwards.
        requests: Enough of them, each with an id of its own.
        load_s: How long before the signal.
        within_s: How long it may take to stop.
    """
    tally = _Tally(requests)
    clients = [
        asyncio.create_task(_client(service.url, number, tally)) for number in range(CLIENTS)
    ]
    async with asyncio.timeout(_ANSWER_S):  # one that was never accepted has not started
        await tally.all_taken_in.wait()
    await asyncio.sleep(load_s)
    service.program.send(signal.SIGTERM)
    tally.signalled_at = began = time.perf_counter()
    code: int | None = None
    with suppress(LateError):
        code = await service.program.ended(within_s=within_s)
    taken = time.perf_counter() - began
    if code is None:
        await service.program.kill()
    await asyncio.gather(*clients)
    return Drain(
        answered=tally.answered,
        refused=tally.refused,
        unanswered_before=tally.before,
        unanswered_after=tally.after,
        acknowledged=tally.acknowledged,
        exit_code=code,
        seconds=round(taken, 2),
    )


async def _client(url: str, number: int, tally: _Tally) -> None:
    """Send one request after the other until nobody listens any more."""
    where = urlsplit(url)
    while True:
        try:
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
        except OSError:
            return
        with suppress(ConnectionError):
            await _on_one_connection(reader, writer, number, tally)
        writer.close()


async def _on_one_connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, tally: _Tally
) -> None:
    while True:
        request, sent_at = tally.request(), time.perf_counter()
        try:
            writer.write(request)
            head, body = await _answer(reader)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            tally.lost(sent_at)
            return
        tally.answered += 1
        tally.taken_in(number)
        if head.startswith(_ACCEPTED):
            tally.acknowledged.append(msgspec.json.decode(body, type=_Identified).event_id)
        else:
            tally.refused += 1
        if b"connection: close" in head.lower():
            return


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    async with asyncio.timeout(_ANSWER_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return head, await reader.readexactly(int(length or 0))
