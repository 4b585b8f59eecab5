"""Unexpected errors at Sentry and at an APM Server: what is sent of them, and what never is."""

import contextlib
import io
import json
import time

import pytest
import structlog

from tests.collectors import black_hole, collector, nobody, refusing
from ugc_core.clock import ManualClock
from ugc_core.error_reports import Reporting
from ugc_core.observing import CLOSE_S, observing
from ugc_core.settings import Settings, TelemetrySection
from ugc_core.telemetry import configure_logging

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ2aWV3ZXIifQ.c2lnbmF0dXJlLW9mLXRoaXM"


@pytest.fixture(autouse=True)
def _logging(logging_undone):
    """Log as a service does, to nowhere."""
    with contextlib.redirect_stderr(io.StringIO()):
        configure_logging(Settings(), service="ugc-test")
        yield


def break_down(message: str) -> None:
    variable = "-".join(["only", "in", "a", "variable"])  # noqa: F841 - what a report could show
    raise RuntimeError(message)


def go_wrong() -> None:
    """Log an error whose text and whose variables hold what must not leave."""
    try:
        break_down(f"broken: Bearer {TOKEN} at https://user:hunter22@host/")
    except RuntimeError:
        structlog.get_logger().exception(
            "request failed", request_id="r-1", route="/x/{id}", body=b"a report", film="secret"
        )


def sentry(url: str) -> TelemetrySection:
    return TelemetrySection(sentry_dsn=url.replace("http://", "http://0key0@") + "/7")


def apm(url: str) -> TelemetrySection:
    return TelemetrySection(apm_server_url=url, apm_token="t0ken-of-apm")


KINDS = pytest.mark.parametrize("section", [sentry, apm])


@KINDS
async def test_an_error_in_the_log_is_reported_without_what_must_not_leave(clock, section):
    with collector() as found:
        async with observing(section(found.url), service="ugc-api", clock=clock):
            go_wrong()
            structlog.get_logger().warning("not one of them", exc_info=ValueError("mild"))
            structlog.get_logger().error("nor this: it has no error")

    sent = b"\n".join(body for _, body in found.bodies).decode()
    assert "RuntimeError" in sent
    assert "broken" in sent
    assert "r-1" in sent
    assert "go_wrong" in sent  # the traceback
    assert "mild" not in sent
    assert "nor this" not in sent
    for secret in (*TOKEN.split("."), "hunter22", "only-in-a", "a report", "t0ken-of"):
        assert secret not in sent
    assert all(json.loads(line) is not None for line in sent.splitlines() if line)


async def test_after_the_block_nothing_is_reported(clock):
    with collector() as found:
        async with observing(sentry(found.url), service="ugc-api", clock=clock):
            pass
        go_wrong()

    assert found.bodies == []


@KINDS
@pytest.mark.parametrize("server", [black_hole, nobody, refusing])
async def test_a_dead_server_holds_up_neither_the_log_nor_the_end(clock, section, server):
    with server() as found:
        async with observing(section(found.url), service="ugc-api", clock=clock):
            for _ in range(200):
                go_wrong()
                await clock.sleep(1)  # so that none is left out
            if server is not nobody:
                found.wait()
            stopped = time.monotonic()
        assert time.monotonic() - stopped < CLOSE_S + 3


class Remembered:
    def __init__(self):
        self.events = []

    def report(self, event, error, fields):
        self.events.append((event, error, fields))


def line(**fields):
    return {"event": "broken", "level": "error", "exc_info": ValueError("x"), **fields}


def test_of_a_flood_of_errors_a_part_is_reported():
    clock, reports, reporting = ManualClock(), Remembered(), Reporting()
    with reporting.to(reports, clock):
        for _ in range(1000):
            reporting(None, "error", line())
        assert len(reports.events) == 20


def test_reports_that_fail_leave_the_line_alone():
    class Failing:
        def report(self, event, error, fields):
            raise RuntimeError

    reporting, logged = Reporting(), line(request_id="r")
    with reporting.to(Failing(), ManualClock()):
        assert reporting(None, "error", logged) is logged


def test_only_fields_that_are_known_to_be_harmless_go_along():
    reports, reporting = Remembered(), Reporting()
    with reporting.to(reports, ManualClock()):
        reporting(None, "error", line(request_id="r", film_id="f", token="t", route="/x"))

    [(_, _, fields)] = reports.events
    assert fields == {"request_id": "r", "route": "/x"}


@KINDS
async def test_a_configured_secret_is_in_no_report(clock, section):
    secret = "9f86d081884c7d659a2feaa0c55ad015"
    with collector() as found:
        async with observing(section(found.url), service="ugc-api", clock=clock, secrets=[secret]):
            try:
                break_down(f"refused with {secret}")
            except RuntimeError:
                structlog.get_logger().exception("request failed")

    sent = b"\n".join(body for _, body in found.bodies).decode()
    assert "refused with" in sent
    assert secret not in sent
