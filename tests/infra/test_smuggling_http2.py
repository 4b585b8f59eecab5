"""What HTTP/2 lets one say and HTTP/1.1 does not: nothing of it becomes a second request."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.http2_frames import Headers, ask
from tests.infra.kept_reports import WatchedLog
from tests.infra.nginx_process import Front, Site, running
from tests.infra.raw_http import converse
from tests.infra.smuggling import post
from tests.integration.api_logs import made_log
from tests.integration.api_processes import ONE, ApiProcess, bearer, report

HEAD: Headers = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", ONE.encode()),
    (b":authority", b"127.0.0.1"),
    (b"authorization", bearer()["Authorization"].encode()),
    (b"content-type", b"application/json"),
]
SPLITS = {
    "a coding": (b"transfer-encoding", b"chunked"),
    "no length": (b"content-length", b"0"),
    "a short length": (b"content-length", b"5"),
    "the length of the report alone": (b"content-length", b"%d"),
    "a long length": (b"content-length", b"99999"),
    "a length that is none": (b"content-length", b"+5"),
    "a line end in a value": (b"x-split", b"a\r\nTransfer-Encoding: chunked"),
    "a line feed in a value": (b"x-split", b"a\nContent-Length: 0"),
    "an end of the head in a value": (b"x-split", b"a\r\n\r\nGET /metrics HTTP/1.1\r\nX: y"),
    "a line end in a name": (b"x: a\r\ntransfer-encoding", b"chunked"),
    "a colon in a name": (b"transfer-encoding: chunked", b"x"),
    "a space in a name": (b"content-length ", b"0"),
    "capitals in a name": (b"Transfer-Encoding", b"chunked"),
    "NUL in a value": (b"x-split", b"a\x00b"),
    "no name": (b"", b"a"),
    "a header of the connection": (b"connection", b"content-length"),
    "an upgrade": (b"upgrade", b"h2c"),
    "another host": (b"host", b"evil.example"),
    "a second path": (b":path", b"/metrics"),
    "a second method": (b":method", b"GET"),
    "an unknown pseudo-header": (b":split", b"a"),
}
REPLACED = {
    "a line end in the path": (b":path", ONE.encode() + b" HTTP/1.1\r\nX: y\r\n\r\nGET /metrics"),
    "a space in the path": (b":path", ONE.encode() + b" HTTP/1.1"),
    "another path": (b":path", b"/metrics"),
    "no path": (b":path", b""),
    "a path with a host": (b":path", b"https://127.0.0.1/metrics"),
    "a path above the root": (b":path", b"/api/../metrics"),
    "a line end in the method": (b":method", b"POST / HTTP/1.1\r\nX: y\r\n\r\nGET"),
    "a space in the method": (b":method", b"POST /metrics HTTP/1.1"),
    "a line end in the scheme": (b":scheme", b"https\r\nX: y"),
    "a line end in the host": (b":authority", b"127.0.0.1\r\nX: y"),
    "a slash in the host": (b":authority", b"127.0.0.1/metrics"),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, WatchedLog]]:
    folder = tmp_path_factory.mktemp("service")
    log = WatchedLog(asyncio.run(made_log(folder)))
    with ApiProcess(folder).running() as process:
        yield int(process.url.rpartition(":")[2]), log


@pytest.fixture(scope="module")
def front(needs, service, mounted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    room = {"zone=token burst=40": "zone=token burst=9000"}
    site = Site(services=[service[0]], changes=room, files=mounted)
    with running(needs("nginx"), tmp_path_factory.mktemp("nginx"), site) as front:
        yield front


def good() -> tuple[str, bytes]:
    event = report()
    return str(event["event_id"]), json.dumps(event).encode()


def test_a_report_over_http_2_is_kept(front, service, certificate: Path):
    event_id, body = good()

    ending = ask(front.tls_port, certificate, HEAD, body)

    assert (ending.status, json.loads(ending.body)["event_id"]) == (202, event_id)
    assert service[1].grown() == [event_id]


@pytest.mark.parametrize("name", [*SPLITS, *REPLACED])
def test_nothing_that_http_2_can_say_becomes_a_second_request(front, service, certificate, name):
    (_, body), (_, hidden) = good(), good()
    changed = REPLACED.get(name)
    headers = [changed if changed and one[0] == changed[0] else one for one in HEAD]
    if name in SPLITS:
        field, value = SPLITS[name]
        headers.append((field, value.replace(b"%d", b"%d" % len(body))))

    ending = ask(front.tls_port, certificate, headers, body + b"\r\n0\r\n\r\n" + post(hidden))
    other_id, other = good()
    (after,) = converse(front.port, post(other, "Connection: close")).answers

    assert ending.status < 500
    assert ending.status != 202  # the body is no JSON, whatever is made of the headers
    assert (after.status, json.loads(after.body)["event_id"]) == (202, other_id)
    assert service[1].grown() == [other_id]
