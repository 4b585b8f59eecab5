"""No request hides another: through nginx, and on the service alone, each probe is one or none."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.infra.kept_reports import WatchedLog
from tests.infra.nginx_process import Site, running
from tests.infra.raw_http import Answer, Talk, converse
from tests.infra.smuggling import BUILDS, post, probe
from tests.integration.api_logs import made_log
from tests.integration.api_processes import ApiProcess, report

ROOMY = {
    "zone=token burst=40": "zone=token burst=9000",
    "zone=address burst=400": "zone=address burst=9000",
}
"""This client is to be read, not to be held back."""
UNSUPPORTED = {501, 505}
"""A coding or a version of HTTP that is not spoken: the client's fault, whatever the number."""


@dataclass(kw_only=True)
class Target:
    """What is probed.

    Attributes:
        name: nginx or the service.
        port: Where it listens.
        log: Where the reports go.
    """

    name: str
    port: int
    log: WatchedLog


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("service")
    log = WatchedLog(asyncio.run(made_log(folder)))
    with ApiProcess(folder).running() as process:
        yield Target(name="service", port=int(process.url.rpartition(":")[2]), log=log)


@pytest.fixture(scope="module")
def nginx(needs, service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    site = Site(services=[service.port], changes=ROOMY)
    with running(needs("nginx"), tmp_path_factory.mktemp("nginx"), site) as front:
        yield Target(name="nginx", port=front.port, log=service.log)


@pytest.fixture(params=["nginx", "service"])
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.getfixturevalue(request.param)
    found.log.grown()  # what a test before this one has left, if it failed
    return found


def marker() -> tuple[str, bytes]:
    """Return a good report that ends the connection, and its event id, also its request id."""
    event = report()
    event_id = str(event["event_id"])
    last = (f"X-Request-ID: {event_id}", "Connection: close")
    return event_id, post(json.dumps(event).encode(), *last)


def accepted(answers: list[Answer]) -> list[str]:
    return [json.loads(answer.body)["event_id"] for answer in answers if answer.status == 202]


def check_marker(answer: Answer, event_id: str) -> None:
    """The answer is to this request, and to no other."""
    assert answer.status == 202
    assert answer.headers["x-request-id"] == event_id
    assert json.loads(answer.body)["event_id"] == event_id


def final(talk: Talk) -> list[Answer]:
    return [answer for answer in talk.answers if answer.status >= 200]


@pytest.mark.parametrize("name", BUILDS)
def test_a_probe_is_one_request_or_none(target: Target, name):
    expected = []

    for patiently in (False, True):
        expected += one_or_none(target, name, patiently=patiently)

    assert target.log.grown() == sorted(expected)


def one_or_none(target: Target, name: str, *, patiently: bool) -> list[str]:
    """Send a probe and a marker, another marker on another connection; return what is kept."""
    sent, (same_id, same), (other_id, other) = probe(name), marker(), marker()

    talk = converse(target.port, sent.raw, same, patiently=patiently)
    (after,) = final(converse(target.port, other))

    check_marker(after, other_id)
    assert talk.ended, f"hangs after {talk.answers}, {patiently=}"
    answers = final(talk)
    assert 1 <= len(answers) + bool(talk.rest) <= 2, talk
    assert not [one for one in answers if one.status >= 500 and one.status not in UNSUPPORTED]
    assert "set-cookie" not in str(answers)
    if len(answers) == 2:  # the connection went on: what came next is the marker, or unreadable
        if answers[1].status != 400:
            check_marker(answers[1], same_id)
        assert answers[0].headers["x-request-id"] != same_id
    assert sent.hidden_id not in accepted(answers)
    return [*accepted(answers), other_id]
