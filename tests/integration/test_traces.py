"""One trace from a player through the service, the log and the pipeline to the warehouse."""

import asyncio
import json

import pytest

from tests.collectors import Collector, collector
from tests.integration.api_logs import made_log
from tests.integration.api_processes import ONE, ApiProcess, connection, report
from tests.integration.pipeline_system import System
from tests.integration.raw_http import post, read_answer
from ugc_core import exits
from ugc_core.bootstrap import open_log_consumer
from ugc_core.clock import SystemClock

CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID, PLAYERS_SPAN = CONTEXT.split("-")[1:3]


@pytest.fixture
def otlp():
    with collector() as found:
        yield found


@pytest.fixture
def system(tmp_path, fresh_database, otlp):
    """A pipeline that is not started yet, and traces."""
    settings = {"UGC_TELEMETRY__OTLP_ENDPOINT": otlp.url}
    system = System(folder=tmp_path, warehouse=fresh_database, settings=settings)
    asyncio.run(system.make_topics())
    yield system
    system.etl.kill()


def spans(found: Collector):
    """Yield the name of the service and the span, of all that came."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service  # noqa: PLC0415 - heavy

    for _, body in found.bodies:
        for sent in service.ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {item.key: item.value.string_value for item in sent.resource.attributes}
            for scope in sent.scope_spans:
                for span in scope.spans:
                    yield named["service.name"], span


async def test_the_insert_of_a_players_report_is_linked_to_the_players_trace(
    system, tmp_path, otlp
):
    api = ApiProcess(
        tmp_path,
        UGC_LOG__URL=system.log.url,
        UGC_TELEMETRY__OTLP_ENDPOINT=otlp.url,
        UGC_TELEMETRY__TRACE_RATIO="0",
    )
    with api.running() as service:
        async with service.client() as client:
            for headers in ({}, {"traceparent": CONTEXT}, {}):
                answer = await client.post(ONE, json=report(), headers=headers)
                assert answer.status_code == 202
        service.process.terminate()
        assert service.end() == 0
    system.etl.start()
    await system.until(system.caught_up)
    assert system.etl.stop() == exits.OK

    [(_, request)] = [pair for pair in spans(otlp) if pair[0] == "ugc-api"]
    [(_, insert)] = [pair for pair in spans(otlp) if pair[0] == "ugc-etl"]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE_ID, PLAYERS_SPAN)
    [link] = insert.links
    assert (link.trace_id, link.span_id) == (request.trace_id, request.span_id)
    assert insert.status.code != insert.status.STATUS_CODE_ERROR
    assert await system.count("views") == 3


async def test_a_pipelined_report_does_not_carry_the_trace_of_the_one_before_it(tmp_path, otlp):
    log = await made_log(tmp_path)
    body = json.dumps(report()).encode()
    lines = f"Content-Length: {len(body)}", "Content-Type: application/json"
    traced, plain = (post(*lines, *more, body=body) for more in ([f"traceparent: {CONTEXT}"], []))
    settings = {"OTLP_ENDPOINT": otlp.url, "TRACE_RATIO": "0"}
    named = {f"UGC_TELEMETRY__{name}": value for name, value in settings.items()}
    with ApiProcess(tmp_path, **named).running() as service, connection(service) as peer:
        peer.sendall(traced + plain)
        assert [read_answer(peer).status for _ in range(2)] == [202, 202]
        service.process.terminate()
        assert service.end() == 0

    async with open_log_consumer(log, clock=SystemClock()) as reader:
        polled = await reader.poll(max_records=10, timeout_s=0)
    kept = [dict(record.headers) for records in polled.values() for record in records]
    contexts = [headers.get("traceparent") for headers in kept]
    assert TRACE_ID.encode() in (contexts[0] or b"")
    assert contexts[1:] == [None]
