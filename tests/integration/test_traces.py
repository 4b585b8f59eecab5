"""One trace from a player through the service, the log and the pipeline to the warehouse."""

import asyncio

import pytest

from tests.collectors import Collector, collector
from tests.integration.api_processes import ONE, ApiProcess, report
from tests.integration.pipeline_system import System
from ugc_core import exits

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
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service  # noqa: PLC0415

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
