"""How a body arrives: in pieces, too slowly, too large, or not at all."""

import asyncio
import time

import pytest
from starlette.requests import ClientDisconnect

from ugc_api.intake.bodies import read_body
from ugc_api.intake.patience import Patience
from ugc_api.problems.problem import ProblemError


class Sender:
    """Hands the pieces out, and counts how many were asked for."""

    def __init__(self, *pieces: bytes, then: str = "end") -> None:
        self.pieces = list(pieces)
        self.then = then
        self.taken = 0
        self.silent = asyncio.Event()

    async def receive(self):
        if self.pieces:
            self.taken += 1
            more = len(self.pieces) > 1 or self.then != "end"
            return {"type": "http.request", "body": self.pieces.pop(0), "more_body": more}
        if self.then == "silence":
            self.silent.set()
            return await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def body(self, *, limit: int, timeout_s: float = 5, **headers: str) -> bytes:
        pairs = {n.replace("_", "-").encode(): v.encode() for n, v in headers.items()}
        return await read_body(pairs, self.receive, limit=limit, patience=Patience(timeout_s))


async def test_pieces_are_joined():
    assert await Sender(b"ab", b"", b"cd").body(limit=4) == b"abcd"


async def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_large():
    sender = Sender(b"ab", b"cd", b"e")

    with pytest.raises(ProblemError) as caught:
        await sender.body(limit=3)

    assert caught.value.problem.status == 413


@pytest.mark.parametrize("length", ["11", "9" * 5000])
async def test_a_length_that_is_too_large_is_refused_and_the_body_dropped(length):
    sender = Sender(b"x" * 11)

    with pytest.raises(ProblemError) as caught:
        await sender.body(limit=10, content_length=length)

    assert caught.value.problem.status == 413
    assert sender.taken == 1


async def test_only_so_much_of_a_large_body_is_dropped():
    sender = Sender(*[b"x" * 65_536] * 100)

    with pytest.raises(ProblemError) as caught:
        await sender.body(limit=10)

    assert sender.taken < 20
    assert caught.value.headers["Connection"] == "close"


async def test_a_client_that_waits_for_leave_to_send_too_much_gets_none():
    sender = Sender(b"x" * 11)

    with pytest.raises(ProblemError):
        await sender.body(limit=10, content_length="11", expect="100-continue")

    assert sender.taken == 0


async def test_a_body_that_does_not_end_in_time_is_408_and_the_connection_closed():
    with pytest.raises(ProblemError) as caught:
        await Sender(b"{", then="silence").body(limit=10, timeout_s=0.01)

    assert caught.value.problem.status == 408
    assert caught.value.problem.type == "/problems/body-timeout"
    assert caught.value.headers["Connection"] == "close"


async def test_a_large_body_that_stalls_is_413_all_the_same():
    with pytest.raises(ProblemError) as caught:
        await Sender(b"xx", then="silence").body(limit=1)

    assert caught.value.problem.status == 413


async def test_a_client_that_goes_away_ends_the_request():
    with pytest.raises(ClientDisconnect):
        await Sender(b"{", then="leave").body(limit=10)


async def test_a_wait_that_is_over_is_not_cancelled_later():
    patience = Patience(0.01)
    first = Sender(b"ab")

    assert await read_body({}, first.receive, limit=4, patience=patience) == b"ab"
    with pytest.raises(ProblemError):  # the timer fires for this one
        await read_body({}, Sender(b"", then="silence").receive, limit=4, patience=patience)
    assert await read_body({}, Sender(b"cd").receive, limit=4, patience=patience) == b"cd"


async def test_a_request_that_is_cancelled_while_it_waits_stays_cancelled():
    sender = Sender(b"{", then="silence")
    waiting = asyncio.create_task(sender.body(limit=10))
    async with asyncio.timeout(5):
        await sender.silent.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_loop_that_was_held_up_does_not_blame_the_client():
    """The body came in time, but nobody looked: another callback had the loop for too long."""
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive():
        return {"type": "http.request", "body": await pieces.get(), "more_body": False}

    def hold_the_loop() -> None:
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            pass
        # What came meanwhile is only found now.
        asyncio.get_running_loop().call_soon(pieces.put_nowait, b"{}")

    asyncio.get_running_loop().call_soon(hold_the_loop)

    assert await read_body({}, receive, limit=10, patience=Patience(0.05)) == b"{}"
