"""What is not HTTP, or too much of it: answered with a problem, and the connection is closed."""

import asyncio
import json

import pytest

from tests.integration.api_logs import made_log
from tests.integration.api_processes import ApiProcess, connection, report
from tests.integration.raw_http import GET, heard, post, read_all, read_answer

BODY = b'{"progress": 1, "total": 2}'
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    asyncio.run(made_log(folder))
    with ApiProcess(folder).running() as service:
        yield service
        assert "Traceback" not in service.said()


MALFORMED = {
    "both framings": post(CHUNKED, LENGTH, body=CHUNK),
    "both framings, the other way": post(LENGTH, CHUNKED, body=CHUNK),
    "two lengths": post(LENGTH, "Content-Length: 3", body=BODY),
    "the same length twice": post(LENGTH, LENGTH, body=BODY),
    "a list of lengths": post(f"{LENGTH}, {len(BODY)}", body=BODY),
    "a length with a sign": post(f"Content-Length: +{len(BODY)}", body=BODY),
    "an unknown framing": post("Transfer-Encoding: xchunked", body=CHUNK),
    "chunked not last": post("Transfer-Encoding: chunked, identity", body=CHUNK),
    "a bad chunk size": post(CHUNKED, body=b"-1\r\nx"),
    "a huge chunk size": post(CHUNKED, body=b"fffffffffffffffff\r\nx"),
    "a space before the colon": post("X-A : 1", LENGTH, body=BODY),
    "a folded header": post("X-A: 1\r\n 2", LENGTH, body=BODY),
    "a folded length": post("Content-Length:\r\n 5", body=BODY),
    "a bare LF": b"GET /livez HTTP/1.1\nHost: a\n\n",
    "a bare LF in headers": b"GET /livez HTTP/1.1\r\nHost: a\nX-A: 1\r\n\r\n",
    "a bare CR in headers": b"GET /livez HTTP/1.1\r\nHost: a\rX-A: 1\r\n\r\n",
    "a NUL in a header": b"GET /livez HTTP/1.1\r\nX-A: \0\r\n\r\n",
    "an unknown method": b"HACK /livez HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a target without a slash": b"GET livez HTTP/1.1\r\n\r\n",
    "a target of an authority": b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    "a target that is not ASCII": "GET /é HTTP/1.1\r\n\r\n".encode(),
    "an absolute target without a path": b"GET http://a HTTP/1.1\r\n\r\n",
    "chunks in HTTP/1.0": post(CHUNKED, body=CHUNK).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "an upgrade with a body": post("Connection: upgrade", "Upgrade: x", LENGTH, body=BODY),
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_http_is_answered_once_and_the_connection_closed(service, sent):
    (answer,) = heard(service, sent, GET)

    assert (answer.status, answer.kind) == (400, "/problems/malformed-request")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("version", [b" HTTP/2.0", b""], ids=["2.0", "0.9"])
def test_another_version_of_http_is_refused(service, version):
    (answer,) = heard(service, b"GET /livez" + version + b"\r\n\r\n", GET)

    assert (answer.status, answer.kind) == (505, "/problems/http-version")


ONE_HEADER = b"GET /livez HTTP/1.1\r\nX-A: "
TOO_LARGE = {
    "one large header": (431, ONE_HEADER + b"a" * 20_000 + b"\r\n\r\n"),
    "a header without an end": (431, ONE_HEADER + b"a" * 100_000),
    "a header in many parts": (431, ONE_HEADER, *[b"a" * 1000] * 60),
    "headers without an end": (431, b"GET /livez HTTP/1.1\r\n" + b"X-A: 1\r\n" * 10_000),
    "too many headers": (431, b"GET /livez HTTP/1.1\r\n" + b"X-A: 1\r\n" * 101 + b"\r\n"),
    "a name without an end": (431, b"GET /livez HTTP/1.1\r\n" + b"X" * 100_000),
    "a long target": (414, b"GET /livez?" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n"),
    "a target without an end": (414, b"GET /livez?" + b"a" * 100_000),
    "empty lines before a request": (431, b"\r\n" * 50_000),
    "the extension of a chunk": (431, post(CHUNKED, body=b"1;" + b"a" * 100_000)),
    "extensions of many chunks": (431, post(CHUNKED), *[b"1;" + b"a" * 9_000 + b"\r\nx\r\n"] * 10),
    "a trailer": (431, post(CHUNKED, body=b"1\r\nx\r\n0\r\nX-A: " + b"a" * 100_000)),
    "trailers": (431, post(CHUNKED, body=b"1\r\nx\r\n0\r\n" + b"X-A: 1\r\n" * 20_000)),
}


@pytest.mark.parametrize("case", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_flood_that_is_no_body_is_cut_off(service, case):
    status, *parts = case

    *_, answer = heard(service, *parts)

    assert answer.status == status
    assert (
        answer.kind
        == {431: "/problems/headers-too-large", 414: "/problems/target-too-long"}[status]
    )
    assert answer.headers["connection"] == "close"


def test_just_within_the_bounds_all_is_well(service):
    many = b"GET /livez HTTP/1.1\r\n" + b"X-A: 1\r\n" * 99 + b"Connection: close\r\n\r\n"
    large = ONE_HEADER + b"a" * 16_000 + b"\r\nConnection: close\r\n\r\n"

    assert [answer.status for answer in heard(service, many)] == [200]
    assert [answer.status for answer in heard(service, large)] == [200]


def test_a_body_may_come_in_chunks_of_one_byte(service):
    body = json.dumps(report()).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"

    with connection(service) as peer:
        peer.sendall(post(CHUNKED, "Content-Type: application/json", body=chunks))
        assert read_answer(peer).status == 202


def test_a_client_that_asks_for_leave_to_send_gets_it_and_its_answer(service):
    with connection(service) as peer:
        peer.sendall(post(LENGTH, "Expect: 100-continue"))
        leave = read_answer(peer)
        peer.sendall(BODY)

        assert (leave.status, read_answer(peer).status) == (100, 202)


def test_a_trailer_is_no_header(service):
    lines = post(CHUNKED).split(b"\r\n")
    token = next(line for line in lines if line.startswith(b"Authorization"))
    sent = b"\r\n".join(line for line in lines if line != token)
    chunk = CHUNK.removesuffix(b"\r\n")

    with connection(service) as peer:
        peer.sendall(sent + chunk + token + b"\r\n\r\n")
        answer = read_answer(peer)

    assert (answer.status, answer.kind) == (401, "/problems/missing-token")


def test_what_comes_after_a_request_to_upgrade_is_thrown_away(service):
    upgrade = b"GET /livez HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

    (answer,) = heard(service, upgrade + GET, GET)

    assert answer.status == 200
    assert answer.headers["connection"] == "close"


def test_http_1_0_is_answered_and_closed_whatever_it_asks_for(service):
    (answer,) = heard(service, b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")

    assert answer.status == 200
    assert answer.headers["connection"] == "close"


def test_odd_targets_lead_to_the_same_routes_or_nowhere(service):
    for target, status in {
        b"http://elsewhere/livez": 200,
        b"//elsewhere/livez": 404,
        b"/livez#x": 200,
        b"/livez?": 200,
        b"/%6civez": 200,
        b"/..%2flivez": 404,
        b"*": 404,
    }.items():
        sent = b"GET " + target + b" HTTP/1.1\r\nConnection: close\r\n\r\n"
        assert [answer.status for answer in heard(service, sent)] == [status], target


def test_pipelined_requests_are_answered_in_order(service):
    sent = GET + b"GET /nothing HTTP/1.1\r\n\r\n" + GET
    with connection(service) as peer:
        peer.sendall(sent + GET.replace(b"Host: a", b"Connection: close"))
        assert [answer.status for answer in read_all(peer)] == [200, 404, 200, 200]


def test_a_bounded_number_of_requests_may_wait_for_answers_before_theirs(service):
    answers = heard(service, GET * 1000)

    assert {answer.status for answer in answers} == {200}
    assert 1 < len(answers) <= 20


def test_a_broken_request_does_not_take_the_place_of_an_answer_that_is_due(service):
    body = json.dumps(report()).encode()
    first = post(f"Content-Length: {len(body)}", "Content-Type: application/json", body=body)

    (answer,) = heard(service, first + MALFORMED["both framings"])

    assert answer.status == 202


def test_a_pipelined_body_that_breaks_off_leaves_the_answers_before_it(service):
    answers = heard(service, GET + post(CHUNKED, body=b"zz\r\n"))

    assert [answer.status for answer in answers] == [200]


def test_every_refusal_is_counted(service):
    heard(service, MALFORMED["TLS"])

    (answer,) = heard(
        service, GET.replace(b"/livez", b"/metrics").replace(b"Host: a", b"Connection: close")
    )

    text = answer.body.decode()
    assert 'ugc_api_shed_total{reason="malformed-request"}' in text
    assert 'ugc_api_requests_total{method="other",route="none",status="400"}' in text
