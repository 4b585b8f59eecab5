"""Clients that are slow on purpose or by accident, and those that come in great numbers."""

import asyncio
import contextlib
import json
import signal
import time

import pytest

from tests.integration.api_logs import made_log
from tests.integration.api_processes import (
    PATIENCE_S,
    ApiProcess,
    connection,
    holding_the_log,
    report,
)
from tests.integration.raw_http import GET, Answer, heard, post, read_all, read_answer

SOON = {"UGC_LIMITS__HEADER_TIMEOUT_S": "0.5", "UGC_API__BODY_TIMEOUT_S": "1"}
LAST = GET.replace(b"Host: a", b"Connection: close")


@pytest.fixture
def start(tmp_path):
    """Start the service with these settings; it must not end with a traceback."""
    asyncio.run(made_log(tmp_path))

    @contextlib.contextmanager
    def start(**settings: str):
        with ApiProcess(tmp_path, **settings).running() as service:
            yield service
            assert "Traceback" not in service.said()

    return start


def dribble(peer, part: bytes) -> None:
    """Send a byte now and then until the service has closed its side."""
    peer.settimeout(0.05)
    until = time.monotonic() + PATIENCE_S
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < until:
            peer.sendall(part)
            with contextlib.suppress(TimeoutError):
                if peer.recv(1, 2):  # MSG_PEEK
                    break
    peer.settimeout(PATIENCE_S)


@pytest.mark.parametrize("part", [b"", b"a"], ids=["silence", "a byte now and then"])
def test_headers_that_do_not_end_are_cut_off(start, part):
    with start(**SOON) as service, connection(service) as peer:
        peer.sendall(b"GET /livez HTTP/1.1\r\nX-A: ")
        dribble(peer, part)
        (answer,) = read_all(peer)

    assert (answer.status, answer.kind) == (408, "/problems/header-timeout")


def test_headers_that_do_not_end_do_not_cost_the_answer_before_them(start):
    with start(**SOON) as service:
        answers = heard(service, GET + b"GET /livez HTTP/1.1\r\nX-A: ")

    assert [answer.status for answer in answers] == [200, 408]


def test_a_body_that_does_not_end_is_cut_off(start):
    with start(**SOON) as service, connection(service) as peer:
        peer.sendall(post("Content-Length: 1000"))
        dribble(peer, b"a")
        (answer,) = read_all(peer)

    assert (answer.status, answer.kind) == (408, "/problems/body-timeout")


def test_a_body_that_comes_too_slowly_is_cut_off_long_before_its_time(start):
    settings = {"UGC_API__BODY_TIMEOUT_S": "300", "UGC_LIMITS__HEADER_TIMEOUT_S": "1"}
    with start(**settings) as service, connection(service) as peer:
        peer.sendall(post("Content-Length: 10000"))
        dribble(peer, b"a")
        (answer,) = read_all(peer)

    assert (answer.status, answer.kind) == (408, "/problems/body-timeout")


def test_a_body_that_no_route_reads_is_cut_off_too(start):
    with start(**SOON) as service, connection(service) as peer:
        peer.sendall(b"GET /livez HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        assert read_answer(peer).status == 200
        assert read_all(peer) == []


def test_an_idle_connection_is_closed_after_its_time_with_or_without_a_request(start):
    with start(UGC_LIMITS__KEEP_ALIVE_S="0.5") as service:
        assert heard(service) == []
        assert [answer.status for answer in heard(service, GET)] == [200]
        assert heard(service, b"\r\n") == []


@pytest.mark.parametrize(
    ("name", "trusted"),
    [("MAX_CONNECTIONS", "127.0.0.1"), ("MAX_CONNECTIONS_PER_ADDRESS", "")],
)
def test_one_connection_too_many_is_refused_and_room_is_made_again(start, name, trusted):
    settings = {f"UGC_LIMITS__{name}": "3", "UGC_LIMITS__TRUSTED_PROXIES": trusted}
    with start(**settings) as service, contextlib.ExitStack() as stack:
        peers = [stack.enter_context(connection(service)) for _ in range(3)]
        for peer in peers:
            peer.sendall(GET)
            assert read_answer(peer).status == 200

        (answer,) = heard(service)
        assert (answer.status, answer.kind) == (503, "/problems/overloaded")
        assert answer.headers["retry-after"] == "1"

        peers[0].close()
        until = time.monotonic() + PATIENCE_S
        while [found.status for found in heard(service, LAST)] != [200]:
            assert time.monotonic() < until


def test_a_trusted_proxy_may_have_any_number_of_connections(start):
    with start(UGC_LIMITS__MAX_CONNECTIONS_PER_ADDRESS="1") as service:
        peers = connection(service), connection(service)
        with peers[0] as one, peers[1] as other:
            for peer in (one, other):
                peer.sendall(GET)
                assert read_answer(peer).status == 200


def test_what_is_too_much_at_once_is_refused_before_its_body_while_probes_are_answered(
    start, tmp_path
):
    body = json.dumps(report()).encode()
    full = post(f"Content-Length: {len(body)}", "Content-Type: application/json", body=body)
    settings = {"UGC_LIMITS__MAX_IN_FLIGHT": "2", "UGC_LOG__APPEND_TIMEOUT_S": "20"}
    with start(**settings) as service, contextlib.ExitStack() as stack:
        stack.enter_context(holding_the_log(tmp_path / "log.db"))
        for _ in range(2):
            stack.enter_context(connection(service)).sendall(full)
        answer = until_refused(service)
        assert answer.kind == "/problems/overloaded"
        assert answer.headers["retry-after"] == "1"
        assert [found.status for found in heard(service, LAST)] == [200]


def until_refused(service: ApiProcess) -> Answer:
    """Return the first 503 to a request whose body does not come."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with connection(service) as peer, contextlib.suppress(TimeoutError):
            peer.sendall(post("Content-Length: 1000"))
            peer.settimeout(1)
            if (answer := read_answer(peer)).status == 503:
                return answer
    raise AssertionError(service.said())


def test_the_bytes_of_all_bodies_together_are_bounded(start):
    settings = {"UGC_LIMITS__MAX_HELD_BYTES": str(2**20), "UGC_API__MAX_BATCH_BYTES": str(2**22)}
    with start(**settings) as service, connection(service) as peer:
        sent = post("Content-Length: 2000000").replace(b"films/", b"", 1)
        path = sent.split(b" ")[1]
        peer.sendall(sent.replace(path, b"/api/v1/progresses/", 1))
        with contextlib.suppress(ConnectionError):
            peer.sendall(b"[" + b" " * 1_900_000)
        (answer,) = read_all(peer)
        assert (answer.status, answer.kind) == (503, "/problems/overloaded")

        assert heard(service, LAST)[0].status == 200


def test_who_reports_too_often_is_told_when_to_come_back(start):
    body = json.dumps(report()).encode()
    full = post(f"Content-Length: {len(body)}", "Content-Type: application/json", body=body)
    settings = {"UGC_LIMITS__USER_REPORTS_PER_S": "0.01", "UGC_LIMITS__USER_BURST": "2"}
    with start(**settings) as service, connection(service) as peer:
        peer.sendall(full * 3)
        answers = [read_answer(peer) for _ in range(3)]

    assert [answer.status for answer in answers] == [202, 202, 429]
    assert answers[-1].kind == "/problems/rate-limited"
    assert answers[-1].headers["retry-after"] == "100"
    assert answers[-1].headers["ratelimit-policy"] == '"user";q=2;w=200'
    assert answers[-1].headers["ratelimit"] == '"user";r=0;t=100'


def test_an_address_that_proves_nothing_pays_for_its_requests_too(start):
    unproved = post("Content-Length: 0").replace(b"Bearer ", b"Bearer x")
    settings = {
        "UGC_LIMITS__ADDRESS_REQUESTS_PER_S": "0.01",
        "UGC_LIMITS__ADDRESS_BURST": "2",
        "UGC_LIMITS__TRUSTED_PROXIES": "",
    }
    with start(**settings) as service, connection(service) as peer:
        peer.sendall(unproved * 3 + GET)
        answers = [read_answer(peer) for _ in range(4)]

    assert [answer.status for answer in answers] == [401, 401, 429, 200]


def test_idle_half_sent_and_busy_connections_end_well_together(start, tmp_path):
    body = json.dumps(report()).encode()
    full = post(f"Content-Length: {len(body)}", "Content-Type: application/json", body=body)
    with start(UGC_API__DRAIN_S="20") as service, contextlib.ExitStack() as stack:
        idle, fresh, headers, half, busy = (
            stack.enter_context(connection(service)) for _ in range(5)
        )
        idle.sendall(GET)
        assert read_answer(idle).status == 200
        headers.sendall(full[:40])
        half.sendall(full[:-5])
        with holding_the_log(tmp_path / "log.db"):
            busy.sendall(full)
            heard(service, LAST)  # so all has been read
            service.process.send_signal(signal.SIGTERM)
            assert read_all(idle) == []
            assert read_all(fresh) == []
        headers.sendall(full[40:])
        half.sendall(full[-5:])
        for peer in (headers, half, busy):
            (answer,) = read_all(peer)
            assert answer.status == 202
            assert answer.headers["connection"] == "close"
        assert service.end() == 0


def test_who_never_ends_its_request_does_not_hold_up_the_end(start):
    with start(UGC_API__DRAIN_S="1") as service, connection(service) as peer:
        peer.sendall(post("Content-Length: 1000"))
        heard(service, LAST)
        service.process.send_signal(signal.SIGTERM)
        (answer,) = read_all(peer)
        assert service.end() == 0

    assert (answer.status, answer.kind) == (503, "/problems/stopping")
