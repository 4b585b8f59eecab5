"""An answer of one piece leaves in one write, and to the byte as uvicorn's own cycle writes it."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from ugc_api.exchange import Exchange
from ugc_api.operating.answering import rendered, wrote_whole

DATE = (b"date", b"Sun, 29 Nov 2026 12:00:00 GMT")
JSON = (b"content-type", b"application/json")


class Wire(asyncio.Transport):
    """Notes what is written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data) -> None:
        assert not self.closed
        if data:
            self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@dataclass
class Said:
    """What became of an answer."""

    wire: Wire = field(default_factory=Wire)
    ended: int = 0
    error: str = ""

    def seen(self):
        return b"".join(self.wire.writes), self.wire.closed, self.ended, self.error


def opened(kind, *, method="POST", keep_alive=True) -> tuple[Any, Said]:
    """Return a request that waits for its answer, and what becomes of that."""
    said = Said()

    def end():
        said.ended += 1

    cycle = kind(
        {"type": "http", "method": method, "path": "/", "headers": [], "http_version": "1.1"},
        said.wire,
        FlowControl(said.wire),
        logging.getLogger("exchange"),
        logging.getLogger("access"),
        False,
        [DATE],
        asyncio.Event(),
        False,
        keep_alive,
        end,
    )
    return cycle, said


async def say(kind, *messages, **options) -> Said:
    """Answer by these messages."""
    cycle, said = opened(kind, **options)
    for message in messages:
        try:
            await cycle.send(message)
        except RuntimeError as error:
            said.error = str(error)
            break
    return said


def start(status, *headers):
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data, *, more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


def length(size):
    return (b"content-length", b"%d" % size)


async def test_an_answer_of_one_piece_is_one_write():
    said = await say(Exchange, start(202, JSON, length(2)), body(b"{}"))

    head = (
        b"HTTP/1.1 202 Accepted\r\ndate: Sun, 29 Nov 2026 12:00:00 GMT\r\n"
        b"content-type: application/json\r\ncontent-length: 2\r\n\r\n"
    )
    assert said.wire.writes == [head + b"{}"]
    assert said.ended == 1


async def test_an_answer_without_a_body_is_one_write():
    said = await say(Exchange, start(204), body(b""))

    assert said.wire.writes == [
        b"HTTP/1.1 204 No Content\r\ndate: Sun, 29 Nov 2026 12:00:00 GMT\r\n\r\n"
    ]


async def test_a_head_that_was_never_written_gives_way_to_another():
    said = await say(Exchange, start(202, length(2)), start(503, length(4)), body(b"stop"))

    assert b"".join(said.wire.writes).startswith(b"HTTP/1.1 503 ")
    assert b" 202 " not in b"".join(said.wire.writes)


async def test_a_client_that_has_left_is_sent_nothing():
    cycle, said = opened(Exchange)
    await cycle.send(start(202, length(2)))
    cycle.disconnected = True
    await cycle.send(body(b"{}"))

    assert said.wire.writes == []


async def answer(at_once, headers, data, *, wrapped=False, before=None, **options):
    """Answer a request whose body is here; say what was seen and whether it went at once."""
    went = []

    async def app(scope, _receive, send):
        async def noting(message):
            await send(message)

        if before is not None:
            before(send.__self__)
        head = rendered(headers) + b"content-length: %d\r\n" % len(data)
        chosen = noting if wrapped else send
        went.append(at_once and wrote_whole(scope, chosen, 202, head, data))
        if not went[0]:
            await chosen(start(202, *headers, length(len(data))))
            await chosen(body(data))

    cycle, said = opened(Exchange, **options)
    cycle.more_body = False
    await cycle.run_asgi(app)
    return said.seen(), went[0]


VOUCHED = st.lists(
    st.tuples(
        st.sampled_from([b"x-a", b"content-type"]), st.from_regex(rb"[ -~]{0,9}", fullmatch=True)
    ),
    max_size=3,
)


@given(VOUCHED, st.binary(max_size=40))
def test_an_answer_without_messages_is_to_the_byte_the_one_by_messages(headers, data):
    at_once, by_messages = (asyncio.run(answer(how, headers, data)) for how in (True, False))

    assert (at_once[1], by_messages[1]) == (True, False)
    assert at_once[0] == by_messages[0]


async def test_whoever_stands_between_sees_messages():
    seen, went = await answer(True, [JSON], b"{}", wrapped=True)

    assert not went
    assert seen == (await answer(False, [JSON], b"{}"))[0]


def leave(cycle):
    cycle.disconnected = True


def pause(cycle):
    cycle.flow.pause_writing()
    asyncio.get_running_loop().call_soon(cycle.flow.resume_writing)


@pytest.mark.parametrize("before", [leave, pause], ids=["left", "paused"])
async def test_a_client_that_cannot_be_written_to_is_left_to_messages(before):
    seen, went = await answer(True, [JSON], b"{}", before=before)

    assert not went
    assert seen == (await answer(False, [JSON], b"{}", before=before))[0]


@pytest.mark.parametrize("option", [{"method": "HEAD"}, {"keep_alive": False}], ids=str)
async def test_an_answer_that_is_not_the_usual_one_is_left_to_messages(option):
    seen, went = await answer(True, [JSON], b"{}", **option)

    assert not went
    assert seen == (await answer(False, [JSON], b"{}", **option))[0]


async def test_the_date_of_answers_goes_on():
    def later(cycle):
        cycle.default_headers = [(b"date", b"Sun, 29 Nov 2026 12:00:01 GMT")]

    await answer(True, [JSON], b"{}")
    (sent, *_), went = await answer(True, [JSON], b"{}", before=later)

    assert went
    assert b"\r\ndate: Sun, 29 Nov 2026 12:00:01 GMT\r\n" in sent


NAMES = st.sampled_from([b"x-a", b"retry-after", b"content-type", b"Content-Type", b"x-b"])
PLAIN = [b"1", b"", b"a b", b"a\tb", b"caf\xe9"]
BREAKS_OUT = [b"a\r\nx-evil: 1", b"a\nb", b"a\rb", b"nul\0", b"\x7f", b"\x01"]
VALUES = st.sampled_from(PLAIN + BREAKS_OUT)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=4)
FRAMES = st.sampled_from(
    [
        [],
        [b"right"],
        [b"too long"],
        [b"chunked"],
        [b"close"],
        [b"right", b"close"],
        [b"right", b"keep"],
    ]
)


def framing(words, size):
    said = {
        b"right": length(size),
        b"too long": length(size + 1),
        b"chunked": (b"transfer-encoding", b"chunked"),
        b"close": (b"connection", b"close"),
        b"keep": (b"connection", b"keep-alive"),
    }
    return [said[word] for word in words]


@pytest.mark.parametrize("method", ["POST", "HEAD"])
@given(
    status=st.sampled_from([200, 202, 204, 304, 401, 503]),
    headers=HEADERS,
    frame=FRAMES,
    pieces=st.lists(st.binary(max_size=9), min_size=1, max_size=3),
    keep_alive=st.booleans(),
)
def test_clients_see_what_uvicorn_would_have_sent(
    method, status, headers, frame, pieces, keep_alive
):
    size = sum(map(len, pieces))
    messages = [start(status, *headers, *framing(frame, size))]
    messages += [
        body(piece, more=number < len(pieces)) for number, piece in enumerate(pieces, start=1)
    ]

    async def both():
        options = {"method": method, "keep_alive": keep_alive}
        ours = await say(Exchange, *messages, **options)
        theirs = await say(RequestResponseCycle, *messages, **options)
        return ours.seen(), theirs.seen()

    ours, theirs = asyncio.run(both())
    assert ours == theirs
