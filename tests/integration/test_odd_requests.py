"""Odd texts wherever a request has room for them, to a real service that logs for people.

It says plenty meanwhile, for its warehouse is not there. Every line has to be its own: begin with
its time and its level, and hold no control character that a terminal would obey.
"""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.integration.api_processes import MANY, ONE, ApiProcess, bearer, connection
from ugc_core.settings import LogSection

ODD = (
    b"\xe2\x80\xaegpj.exe",
    b"\xf0\x9f\x8e\xac" * 20,
    b"\xed\xa0\x80",
    b"\xff\xfe",
    b"a\tb",
    b"\x1b[31mred\x1b[0m",
    b"x" * 4000,
    b"' OR 1=1 --",
    b"<script>alert(1)</script>",
    b"${jndi:ldap://a} {{7*7}} %s%n",
    b"../../../../etc/passwd",
    b"%0d%0a2026-01-01T00:00:00.000000Z [error    ] forged",
    b"\x85\xc2\x85\xe2\x80\xa8",
)
AUTHORIZATION = bearer()["Authorization"].encode()
PATIENCE_S = 10.0
OURS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z \[[a-z]+ *\] ")


@pytest.fixture
def service(tmp_path: Path, log: LogSection) -> Iterator[ApiProcess]:
    settings = {"UGC_LOGGING__FORMAT": "console", "UGC_LOGGING__LEVEL": "debug"}
    settings |= {"UGC_WAREHOUSE__URL": "clickhouse://127.0.0.1:1/movies"}
    with ApiProcess(tmp_path, **settings).running() as running:
        yield running


def heads(odd: bytes) -> Iterator[bytes]:
    """Yield requests that have the text in one place each."""
    quoted = b"".join(b"%%%02X" % byte for byte in odd)
    post = b"POST " + ONE.encode() + b" HTTP/1.1"
    get = b"GET " + MANY.encode()
    signed = b"Authorization: " + AUTHORIZATION
    for place in (odd.replace(b" ", b"+"), quoted):
        yield request(get + b"?cursor=" + place + b" HTTP/1.1", signed)
        yield request(get + b"?profile_id=" + place + b" HTTP/1.1", signed)
        yield request(b"GET /api/v1/progresses/films/" + place + b"/ HTTP/1.1", signed)
        yield request(b"GET /problems/" + place + b" HTTP/1.1")
        yield request(b"GET /" + place + b" HTTP/1.1", signed)
    for name in (b"X-Request-ID", b"User-Agent", b"Content-Type", b"traceparent", b"Host"):
        yield request(post, signed, name + b": " + odd)
        yield request(get + b" HTTP/1.1", signed, name + b": " + odd)
    yield request(get + b" HTTP/1.1", b"Authorization: Bearer " + odd)
    yield request(b"GET /api/docs HTTP/1.1", b"Authorization: Basic " + odd)
    yield request(odd.replace(b" ", b"") + b" / HTTP/1.1", signed)


def request(*lines: bytes) -> bytes:
    return b"\r\n".join([*lines, b"Content-Length: 0", b"Connection: close", b"", b""])


def status_of(service: ApiProcess, sent: bytes) -> int:
    """Return the status, or 0 where the connection was closed without one."""
    with connection(service) as peer:
        peer.settimeout(PATIENCE_S)
        peer.sendall(sent)
        try:
            received = peer.recv(65536)
        except ConnectionResetError:
            return 0
        return int(received.split(b" ")[1]) if received.startswith(b"HTTP/1.1 ") else 0


def test_no_odd_text_fails_hangs_or_forges_a_line_of_the_log(service):
    statuses = [status_of(service, sent) for odd in ODD for sent in heads(odd)]

    assert set(statuses) - {0, 503} <= set(range(200, 500))
    said = service.said().splitlines()
    assert any("a read failed" in line for line in said)
    for line in said:
        assert OURS.match(line), line
        assert line.isprintable(), line
        assert "forged" not in line[:60]


@pytest.mark.parametrize(("path", "kind"), [*product([ONE, MANY], ["json", "x-ndjson"])])
def test_no_odd_body_fails_or_forges_a_line_of_the_log(service, path, kind):
    for odd in ODD:
        body = b'{"progress": 1, "total": 2, "device": "' + odd + b'", "extra": {"a": "' + odd
        body += b'"}}'
        head = b"POST " + path.encode() + b" HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
        head += b"Content-Type: application/" + kind.encode() + b"\r\n"
        head += b"Authorization: " + AUTHORIZATION + b"\r\n"
        head += b"Content-Length: %d\r\n\r\n" % len(body)
        assert 200 <= status_of(service, head + body) < 500

    assert all(OURS.match(line) and line.isprintable() for line in service.said().splitlines())
