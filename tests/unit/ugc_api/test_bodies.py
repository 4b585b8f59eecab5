"""How a body arrives: in pieces, too slowly, too large, or not at all."""

import asyncio

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect

from ugc_api.intake.bodies import read_body
from ugc_api.problems.problem import ProblemError


class Sender:
    """Hands the pieces out, and counts how many were asked for."""

    def __init__(self, *pieces: bytes, then: str = "end") -> None:
        self.pieces = list(pieces)
        self.then = then
        self.taken = 0

    async def receive(self):
        if self.pieces:
            self.taken += 1
            more = len(self.pieces) > 1 or self.then != "end"
            return {"type": "http.request", "body": self.pieces.pop(0), "more_body": more}
        if self.then == "silence":
            return await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    def request(self, **headers: str) -> Request:
        pairs = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
        return Request({"type": "http", "method": "POST", "headers": pairs}, self.receive)


async def test_pieces_are_joined():
    assert await read_body(Sender(b"ab", b"", b"cd").request(), limit=4, timeout_s=5) == b"abcd"


async def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_large():
    sender = Sender(b"ab", b"cd", b"e")

    with pytest.raises(ProblemError) as caught:
        await read_body(sender.request(), limit=3, timeout_s=5)

    assert caught.value.problem.status == 413


@pytest.mark.parametrize("length", ["11", "9" * 5000])
async def test_a_length_that_is_too_large_is_refused_and_the_body_dropped(length):
    sender = Sender(b"x" * 11)

    with pytest.raises(ProblemError) as caught:
        await read_body(sender.request(content_length=length), limit=10, timeout_s=5)

    assert caught.value.problem.status == 413
    assert sender.taken == 1


async def test_only_so_much_of_a_large_body_is_dropped():
    sender = Sender(*[b"x" * 65_536] * 100)

    with pytest.raises(ProblemError) as caught:
        await read_body(sender.request(), limit=10, timeout_s=5)

    assert sender.taken < 20
    assert caught.value.headers["Connection"] == "close"


async def test_a_client_that_waits_for_leave_to_send_too_much_gets_none():
    sender = Sender(b"x" * 11)
    request = sender.request(content_length="11", expect="100-continue")

    with pytest.raises(ProblemError):
        await read_body(request, limit=10, timeout_s=5)

    assert sender.taken == 0


async def test_a_body_that_does_not_end_in_time_is_408_and_the_connection_closed():
    with pytest.raises(ProblemError) as caught:
        await read_body(Sender(b"{", then="silence").request(), limit=10, timeout_s=0.01)

    assert caught.value.problem.status == 408
    assert caught.value.headers["Connection"] == "close"


async def test_a_large_body_that_stalls_is_413_all_the_same():
    with pytest.raises(ProblemError) as caught:
        await read_body(Sender(b"xx", then="silence").request(), limit=1, timeout_s=5)

    assert caught.value.problem.status == 413


async def test_a_client_that_goes_away_ends_the_request():
    with pytest.raises(ClientDisconnect):
        await read_body(Sender(b"{", then="leave").request(), limit=10, timeout_s=5)
