"""What nginx answers itself: each of its errors is a problem like those of the service."""

import json
import re
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.infra.fake_api import BREAKS, HANGS, FakeApi, fake_api
from tests.infra.nginx_process import CONFIGURATION, Front, Site, running
from tests.infra.raw_http import Answer, converse
from tests.integration.api_processes import free_port
from ugc_api.problems.kinds import BASE, KINDS

TEXT = (CONFIGURATION / "problems.conf").read_text("utf-8")
SERVICE = (CONFIGURATION / "service.conf").read_text("utf-8")
PROBLEMS = [json.loads(line) for line in re.findall(r"'(\{.*\})';", TEXT)]
SHORT = {
    "client_header_timeout 10s": "client_header_timeout 200ms",
    "client_body_timeout 10s": "client_body_timeout 200ms",
    "lingering_timeout 2s": "lingering_timeout 200ms",
    "keepalive_timeout 75s": "keepalive_timeout 200ms",
}
HOSTS = "default 0; 127.0.0.1 1; .cinema.example 1;"


@pytest.fixture(scope="module")
def api() -> Iterator[FakeApi]:
    with fake_api() as listening:
        yield listening


@pytest.fixture(scope="module")
def front(needs, api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("nginx")
    site = Site(services=[api.port], changes=SHORT, files={"hosts.conf": HOSTS})
    with running(needs("nginx"), folder, site) as front:
        yield front


@pytest.fixture
def proxy(front) -> Iterator[httpx.Client]:
    with front.client() as client:
        yield client


def said(answer: Answer | httpx.Response) -> dict[str, object]:
    """Return the problem that an answer is, its headers looked at."""
    status, headers = _parts(answer)
    body = answer.content if isinstance(answer, httpx.Response) else answer.body
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
    problem: dict[str, object] = json.loads(body)
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


def _parts(answer: Answer | httpx.Response) -> tuple[int, dict[str, str]]:
    if isinstance(answer, httpx.Response):
        return answer.status_code, dict(answer.headers)
    return answer.status, dict(answer.headers)


def request(first: str, *lines: str) -> bytes:
    return "\r\n".join([first, "Host: 127.0.0.1", *lines, "Connection: close", "", ""]).encode()


GET = "GET /api/v1/progresses/ HTTP/1.1"
POST = "POST /api/v1/progresses/ HTTP/1.1"
UNREADABLE = {
    "no request": (400, b"\x00\x01\x02\r\n\r\n"),
    "a TLS hello on the plain port": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "an escape that is none": (400, request("GET /api/v1/% HTTP/1.1")),
    "a path above the root": (400, request("GET /../metrics HTTP/1.1")),
    "a version that is none": (505, request("GET /api/v1/ HTTP/9.9")),
    "CONNECT": (400, request("CONNECT 127.0.0.1:22 HTTP/1.1")),
    "no host": (400, b"GET /api/v1/ HTTP/1.1\r\n\r\n"),
    "a host that is none": (400, request(GET).replace(b"127.0.0.1", b"a/b")),
    "two lengths": (400, request(POST, "Content-Length: 1", "Content-Length: 2") + b"{}"),
    "a length that is none": (400, request(POST, "Content-Length: +1") + b"x"),
    "an unknown coding": (400, request(POST, "Transfer-Encoding: rot13") + b"x"),
    "TRACE": (405, request("TRACE /api/v1/ HTTP/1.1")),
    "a long line": (414, request(f"GET /api/{'x' * 9000} HTTP/1.1")),
    "a long path": (414, request(f"GET /api/{'x' * 5000} HTTP/1.1")),
    "a long query": (414, request(f"GET /api/?{'x' * 5000} HTTP/1.1")),
    "a large header": (431, request(GET, f"X-Long: {'x' * 9000}")),
    "large headers": (431, request(GET, *(f"X-{n}: {'x' * 5000}" for n in range(9)))),
    "a large body": (413, request(POST, "Content-Length: 400000")),
    "large chunks": (
        413,
        request(POST, "Transfer-Encoding: chunked") + b"61a80\r\n" + b"x" * 0x61A80 + b"\r\n",
    ),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_request_that_is_not_taken_is_answered_with_a_problem(front, api, what):
    before = len(api.seen)
    status, raw = UNREADABLE[what]

    talk = converse(front.port, raw)

    assert [answer.status for answer in talk.answers] == [status]
    said(talk.answers[0])
    assert (talk.rest, talk.ended) == (b"", True)
    assert len(api.seen) == before


def test_an_http_0_9_request_is_refused_without_reaching_the_service(front, api):
    before = len(api.seen)

    talk = converse(front.port, b"GET /api/v1/progresses/\r\n")

    assert json.loads(talk.rest)["status"] == 400  # it has no headers in either direction
    assert len(api.seen) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "PROPFIND", "get", "BREW"])
def test_a_method_that_no_route_takes_is_refused_with_those_that_are(front, method):
    (answer,) = converse(front.port, request(f"{method} /api/v1/progresses/ HTTP/1.1")).answers

    assert answer.status in ({400} if method == "get" else {405})
    assert said(answer)["status"] == answer.status
    if answer.status == 405:
        assert answer.headers["allow"] == "GET, HEAD, POST, OPTIONS"


def test_an_address_that_is_not_there_is_a_problem(proxy):
    assert said(proxy.get("/metrics"))["type"] == "/problems/not-found"
    assert proxy.head("/metrics").status_code == 404
    assert proxy.post("/metrics", content=b"x" * 1000).status_code == 404


def test_another_host_name_is_refused(proxy):
    for host in ("ugc.cinema.example", "UGC.cinema.example:443", "127.0.0.1"):
        assert proxy.get("/api/v1/", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "cinema.example.evil", "[::1]"):
        answer = proxy.get("/api/v1/", headers={"Host": host})
        assert answer.status_code == 421
        said(answer)


def test_the_host_of_an_absolute_target_counts_and_not_the_header(front, api):
    line = "GET http://evil.example/api/v1/ HTTP/1.1"
    (answer,) = converse(front.port, request(line)).answers
    assert answer.status == 421

    line = "GET http://ugc.cinema.example/api/v1/ HTTP/1.1"
    (answer,) = converse(front.port, request(line).replace(b"127.0.0.1", b"evil.example")).answers
    assert ["host", "ugc.cinema.example"] in json.loads(answer.body)["headers"]


def test_a_service_that_is_away_is_a_problem_with_a_time_to_come_back(needs, tmp_path):
    site = Site(services=[free_port()])
    with running(needs("nginx"), tmp_path, site) as front, front.client() as client:
        for answer in (client.get("/api/v1/"), client.post("/api/v1/", content=b"{}")):
            assert answer.status_code == 502
            assert said(answer)
            assert answer.headers["retry-after"] == "2"


def test_a_service_that_breaks_off_or_hangs_is_a_problem(needs, api, tmp_path):
    site = Site(services=[api.port], changes={"read_timeout 30s": "read_timeout 500ms"})
    with running(needs("nginx"), tmp_path, site) as front, front.client() as client:
        broken = client.post(BREAKS, content=b"{}")
        hanging = client.post(HANGS, content=b"{}")

    assert (broken.status_code, hanging.status_code) == (502, 504)
    for answer in (broken, hanging):
        assert "same event_id" in str(said(answer)["detail"])
        assert answer.headers["retry-after"] == "2"


@pytest.mark.parametrize(
    "started",
    [
        b"",
        b"POST /api/v1/progresses/ HT",
        b"POST /api/v1/progresses/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        request(POST, "Content-Length: 10") + b"12345",
        request(POST, "Transfer-Encoding: chunked") + b"5\r\n123",
        request(POST, "Transfer-Encoding: chunked") + b"5;",
    ],
    ids=["nothing", "line", "header", "body", "chunk", "extension"],
)
def test_a_sender_that_stops_is_cut_off_and_never_reaches_the_service(front, api, started):
    before = len(api.seen)

    talk = converse(front.port, started)

    assert talk.ended
    assert (talk.answers, talk.rest) == ([], b"")  # nginx closes, whatever error_page says
    assert len(api.seen) == before


def test_an_idle_connection_is_closed(front):
    with socket.create_connection(("127.0.0.1", front.port), timeout=8) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        received = b""
        while more := peer.recv(4096):
            received += more

    assert received.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: str(problem["status"]))
def test_a_problem_of_nginx_is_one_of_the_service_or_has_no_kind(problem):
    statuses = {kind.status for kind in KINDS.values()}
    assert problem["type"] != "about:blank" or problem["status"] in {421, 500, 502, 503, 504}
    assert problem["type"] != "about:blank" or problem["status"] not in statuses - {500, 503}
    if problem["type"] != "about:blank":
        kind = KINDS[problem["type"].removeprefix(BASE)]
        assert (problem["status"], problem["title"]) == (kind.status, kind.title)


def test_each_error_that_nginx_can_make_has_its_problem():
    pages = re.findall(r"error_page ([\d ]+?)(?: =(\d+))? /problem", SERVICE)

    caught = {status for first, other in pages for status in ([other] if other else first.split())}

    assert {int(status) for status in caught} == {problem["status"] for problem in PROBLEMS}
