"""One connection over a real socket: pipelined requests, clients that leave, slow readers."""

import asyncio
import functools
import math
import socket
from contextlib import asynccontextmanager, suppress

import pytest
import uvloop
from structlog.testing import capture_logs
from uvicorn import Config
from uvicorn.server import ServerState

from ugc_api.http_protocol import HttpProtocol
from ugc_api.limiting.addresses import Addresses
from ugc_api.limiting.wire import Wire
from ugc_api.operating.metrics import ApiMetrics
from ugc_core.api_settings import LimitsSection

PATIENCE_S = 10
BODY_TIMEOUT_S = 1
LARGE = 12 * 2**20
"""More than the kernel holds for one connection, in bytes."""
STEP = 2**18
"""More than the client's own buffer holds: who reads so much has made the service send."""
REPORT = b"POST /report HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"


def on_uvloop(test):
    """Run a test on the service's own kind of loop: asyncio's takes writes after the end."""

    @functools.wraps(test)
    def run(**arguments):
        async def patient():
            async with asyncio.timeout(PATIENCE_S):
                await test(**arguments)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(patient())

    return run


class GatedReports:
    """An application that answers a report once the gate is open."""

    def __init__(self):
        self.reached = asyncio.Event()
        self.gate = asyncio.Event()

    async def __call__(self, scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        self.reached.set()
        await self.gate.wait()
        await answer(send, 202, b"ok")


async def large(scope, receive, send):
    """Answer with a great deal."""
    await answer(send, 200, b"x" * LARGE)


async def answer(send, status, body):
    length = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": length})
    await send({"type": "http.response.body", "body": body})


class Served:
    """Connections to an application, and the time that passes for them.

    Attributes:
        port: Where it listens.
        state: What uvicorn knows of its connections and tasks.
    """

    def __init__(self, app, clock):
        self.port = 0
        self.clock = clock
        self.state = ServerState()
        limits = LimitsSection(max_in_flight=1)  # which nothing here counts
        self.wire = Wire(
            limits,
            body_timeout_s=BODY_TIMEOUT_S,
            addresses=Addresses(limits.trusted_proxies),
            metrics=ApiMetrics(),
            clock=clock,
        )
        self.config = Config(
            app, ws="none", lifespan="off", log_config=None, access_log=False, proxy_headers=False
        )
        self.config.load()

    def connected(self):
        return HttpProtocol(self.config, self.state, {}, wire=self.wire)

    async def pass_time(self, seconds):
        step_s = self.wire.sweep_s  # as the service sweeps: a sweep that is late blames nobody
        for _ in range(math.ceil(seconds / step_s)):
            await self.clock.sleep(step_s)
            self.wire.sweep()

    async def until(self, condition):
        while True:
            if condition():
                return
            await asyncio.sleep(0.001)


@asynccontextmanager
async def serving(app, clock, caplog):
    """Serve until the block ends; nothing may be logged."""
    served = Served(app, clock)
    server = await asyncio.get_running_loop().create_server(served.connected, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        with capture_logs() as lines:
            yield served
    finally:
        server.close()
        for left in [*served.state.connections]:
            left.transport.abort()  # uvloop does not close while one is open
        await served.until(lambda: not served.state.connections)
    assert caplog.text == ""
    assert lines == []


BROKEN_OFF = {
    "slow": b"POST /b HTTP/1.1\r\nContent-Length: 1000\r\n\r\nx",
    "broken": b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("second", BROKEN_OFF.values(), ids=BROKEN_OFF)
@on_uvloop
async def test_a_body_that_does_not_come_leaves_the_answer_before_it(clock, caplog, second):
    app = GatedReports()
    async with serving(app, clock, caplog) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(REPORT + second)
        await app.reached.wait()
        for _ in range(3):
            await served.pass_time(6)
        app.gate.set()
        received = await reader.read()
        writer.close()

    assert received.startswith(b"HTTP/1.1 202 ")
    assert received.count(b"HTTP/1.1 ") == 1


@on_uvloop
async def test_a_client_that_leaves_two_requests_behind_leaves_no_traceback(clock, caplog):
    app = GatedReports()
    async with serving(app, clock, caplog) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(REPORT * 2)
        await app.reached.wait()
        writer.close()
        await served.until(lambda: not served.state.connections)
        app.gate.set()
        await served.until(lambda: not served.state.tasks)


async def read(peer, most):
    """Read so many bytes, or all that come."""
    loop = asyncio.get_running_loop()
    received = b""
    with suppress(ConnectionError):
        while part := await loop.sock_recv(peer, most - len(received)):
            received += part
            if len(received) == most:
                break
    return received


@asynccontextmanager
async def asking(served, header):
    """Ask for a large answer, with little room for it, and read its head."""
    loop = asyncio.get_running_loop()
    with socket.socket() as peer:
        peer.setblocking(False)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STEP // 4)
        await loop.sock_connect(peer, ("127.0.0.1", served.port))
        await loop.sock_sendall(peer, b"GET / HTTP/1.1\r\n" + header + b"\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await read(peer, 1)
        yield peer


STAYS = pytest.mark.parametrize(
    ("header", "patience_s"),
    [(b"Host: a", BODY_TIMEOUT_S), (b"Connection: close", 10)],
    ids=["kept alive", "closed"],
)


@on_uvloop
async def test_who_comes_back_at_once_after_a_503_is_not_read_for_a_while(clock, caplog):
    asked = []

    async def app(scope, _, send):
        asked.append(scope["path"])
        await answer(send, 503, b"no")

    async with serving(app, clock, caplog) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        assert served.wire.admission.enter()  # and so it is full
        writer.write(REPORT)
        await reader.readuntil(b"no")
        writer.write(REPORT)
        _, other = await asyncio.open_connection("127.0.0.1", served.port)
        other.write(REPORT)
        await served.until(lambda: len(asked) == 2)
        for _ in range(20):
            await asyncio.sleep(0)
        served.wire.wake()
        assert len(asked) == 2
        await clock.sleep(1)
        served.wire.wake()
        await reader.readuntil(b"no")
        writer.close()
        other.close()

    assert len(asked) == 3


@STAYS
@on_uvloop
async def test_who_reads_slowly_gets_the_whole_answer(clock, caplog, header, patience_s):
    received = 0
    async with serving(large, clock, caplog) as served, asking(served, header) as peer:
        while received < LARGE and (part := await read(peer, STEP)):
            received += len(part)
            await served.pass_time(0.6 * patience_s)

    assert received == LARGE


@STAYS
@on_uvloop
async def test_who_reads_nothing_is_cut_off(clock, caplog, header, patience_s):
    async with serving(large, clock, caplog) as served, asking(served, header) as peer:
        for _ in range(4):
            await served.pass_time(1.1 * patience_s)
        await served.until(lambda: not served.state.connections)
        received = await read(peer, LARGE)

    assert len(received) < LARGE
