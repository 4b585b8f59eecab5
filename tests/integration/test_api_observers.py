"""Servers of traces and errors that are dead cost no request its answer, and no stop its time."""

import asyncio
import time
from collections import Counter

import pytest

from tests.collectors import Collector, black_hole, collector, nobody, refusing
from tests.integration.api_processes import ONE, ApiProcess, bearer, report
from ugc_core.bootstrap import open_log_admin, open_log_scanner
from ugc_core.log import Record
from ugc_core.settings import LogSection

EXPORT_TIMEOUT_S = 5.0
"""After so long an export gives up: an answer that had waited for one would come later."""
DRAIN_S = 10
REQUESTS = 400
CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def load(service: ApiProcess) -> tuple[Counter[int], float]:
    """Send reports from eight clients; return the statuses and the slowest answer in seconds."""
    slowest = 0.0
    statuses: Counter[int] = Counter()

    async def client(number: int) -> None:
        nonlocal slowest
        async with service.client() as found:
            found.headers.update(bearer(number + 1))
            for _ in range(REQUESTS // 8):
                began = time.monotonic()
                answer = await found.post(ONE, json=report(), headers={"traceparent": CONTEXT})
                slowest = max(slowest, time.monotonic() - began)
                statuses[answer.status_code] += 1

    await asyncio.gather(*(client(number) for number in range(8)))
    return statuses, slowest


def otel_and_sentry(found: Collector) -> dict[str, str]:
    return {
        "UGC_TELEMETRY__OTLP_ENDPOINT": found.url,
        "UGC_TELEMETRY__SENTRY_DSN": found.url.replace("http://", "http://0key0@") + "/7",
    }


def apm(found: Collector) -> dict[str, str]:
    return {"UGC_TELEMETRY__APM_SERVER_URL": found.url}


@pytest.mark.parametrize("settings", [otel_and_sentry, apm])
@pytest.mark.parametrize("server", [black_hole, nobody, refusing])
async def test_a_dead_server_costs_no_answer_and_no_stop(tmp_path, log, server, settings):
    with server() as found:
        named = {**settings(found), "UGC_TELEMETRY__TRACE_RATIO": "1"}
        with ApiProcess(tmp_path, UGC_API__DRAIN_S=str(DRAIN_S), **named).running() as service:
            statuses, slowest = await load(service)
            if server is not nobody:
                await asyncio.to_thread(found.wait)
            service.process.terminate()
            stopping = time.monotonic()
            assert service.end() == 0
            assert time.monotonic() - stopping < DRAIN_S

    assert statuses == {202: REQUESTS}
    assert slowest < EXPORT_TIMEOUT_S
    assert "Traceback" not in service.said()


async def test_a_players_trace_goes_through_the_service_into_the_log(tmp_path, log):
    with collector() as found:
        settings = {**otel_and_sentry(found), "UGC_TELEMETRY__TRACE_RATIO": "0"}
        await _send_two(ApiProcess(tmp_path, **settings))

    sent = b"".join(body for _, body in found.bodies)
    (carried,) = [context for context in await contexts(log) if context is not None]
    _, trace_id, span_id, _ = carried.split(b"-")
    assert trace_id.decode() == CONTEXT.split("-")[1]
    assert bytes.fromhex(trace_id.decode()) in sent
    assert bytes.fromhex(span_id.decode()) in sent  # the span of the service, not the player's


async def _send_two(process: ApiProcess) -> None:
    """Send a report that is traced, and one that is not."""
    with process.running() as service:
        async with service.client() as client:
            for headers in ({"traceparent": CONTEXT}, {}):
                answer = await client.post(ONE, json=report(), headers=headers)
                assert answer.status_code == 202
        service.process.terminate()
        assert service.end() == 0


async def contexts(log: LogSection) -> list[bytes | None]:
    """Return what each record carries."""
    async with open_log_admin(log) as admin, open_log_scanner(log) as scanner:
        found: list[Record] = []
        for partition, ends in (await admin.watermarks(log.topic)).items():
            span = log.topic, partition, ends.low, ends.high
            found += await scanner.scan(*span, max_records=10)
    return [dict(record.headers).get("traceparent") for record in found]


def test_a_setting_that_cannot_work_ends_the_start_with_one_line(tmp_path, log):
    ended = ApiProcess(tmp_path, UGC_TELEMETRY__OTLP_ENDPOINT="collector:4318").run()

    assert ended.returncode == 5
    assert ended.stderr.count("\n") == 1
    assert "telemetry.otlp_endpoint" in ended.stderr
