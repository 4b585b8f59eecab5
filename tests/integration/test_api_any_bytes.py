"""Whatever comes over a connection, it ends in an answer or a close, and soon."""

import asyncio
import contextlib
import socket
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.api_logs import made_log
from tests.integration.api_processes import ApiProcess, connection
from tests.integration.raw_http import GET, post, read_answer

DEADLINE_S = 5.0
SOON = {
    "UGC_LIMITS__HEADER_TIMEOUT_S": "0.2",
    "UGC_LIMITS__KEEP_ALIVE_S": "0.2",
    "UGC_API__BODY_TIMEOUT_S": "0.2",
    "UGC_LIMITS__USER_REPORTS_PER_S": "0",
}
PARTS = st.sampled_from(
    [
        GET,
        GET[:-2],
        post("Content-Length: 27", body=b'{"progress": 1, "total": 2}'),
        post("Transfer-Encoding: chunked"),
        post("Content-Length: 5"),
        b"1b;a=b\r\n",
        b'{"progress": 1, "total": 2}\r\n',
        b"0\r\n",
        b"0\r\n\r\n",
        b"\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 3\r\n\r\n",
        b"GET /api/v1/progresses/ HTTP/1.1\r\n",
        b"GET http://a/%ff?\xff HTTP/1.0\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"X-Request-ID: \xff\r\n",
    ]
)
SENT = st.lists(PARTS | st.binary(max_size=200), max_size=12)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    asyncio.run(made_log(folder))
    with ApiProcess(folder, **SOON).running() as service:
        yield service
        assert "Traceback" not in service.said()
        assert "exception" not in service.said().lower()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=SENT, half_closed=st.booleans())
def test_any_bytes_end_in_an_answer_or_a_close(service, parts, half_closed):
    began = time.monotonic()
    received = b""
    with connection(service) as peer:
        peer.settimeout(DEADLINE_S)
        with contextlib.suppress(ConnectionError):
            for part in parts:
                peer.sendall(part)
            if half_closed:
                peer.shutdown(socket.SHUT_WR)
            while more := peer.recv(65_536):  # a timeout fails the test
                received += more

    assert time.monotonic() - began < DEADLINE_S
    assert received == b"" or received.startswith(b"HTTP/1.1 ")
    assert b" 500 " not in received
    with connection(service) as peer:
        peer.sendall(GET)
        assert read_answer(peer).status == 200
