"""Traces over OTLP and to an APM Server: what is sent, and that nothing waits for it."""

import json
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog

from tests.collectors import Collector, black_hole, collector, nobody, refusing
from ugc_core.clock import Clock
from ugc_core.errors import ConfigError
from ugc_core.log import Record
from ugc_core.observing import CLOSE_S, observing
from ugc_core.sampling import Parent, parse_parent
from ugc_core.settings import TelemetrySection
from ugc_core.tracing import MOST_LINKS, Guarded, contexts

ROUTE = "/api/v1/progresses/films/{film_id}/"
WISH = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
THREAD_S = 10
"""More than one request to a server that does not answer may take."""
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(autouse=True)
def _quiet():
    """Keep the libraries' own complaints out of the way."""
    level = logging.root.level
    logging.root.setLevel(logging.CRITICAL)
    yield
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _ended():
    """Wait for the threads of a test: what they say and draw would be another test's."""
    before = threading.enumerate()
    yield
    for thread in set(threading.enumerate()) - set(before):
        thread.join(THREAD_S)
        assert not thread.is_alive(), thread.name


@asynccontextmanager
async def opened(clock: Clock, section: TelemetrySection, *, service: str) -> AsyncIterator[Any]:
    """Open tracing; a test knows whether there is any."""
    async with observing(section, service=service, clock=clock) as tracing:
        yield tracing


def settings_of(**named: Any) -> TelemetrySection:
    return TelemetrySection(**named)


def spans(found: Collector):
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service  # noqa: PLC0415 - heavy

    requests = [service.ExportTraceServiceRequest.FromString(body) for _, body in found.bodies]
    return [
        (span, {item.key: item.value.string_value for item in resources.resource.attributes})
        for request in requests
        for resources in request.resource_spans
        for scope in resources.scope_spans
        for span in scope.spans
    ]


def attributes(span):
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


async def test_a_request_that_asks_for_it_is_a_span_under_the_callers(clock):
    with collector() as found:
        section = TelemetrySection(otlp_endpoint=found.url, otlp_token="t0ken", environment="test")
        async with opened(clock, section, service="ugc-api") as tracing:
            active = tracing.start(WISH, ROUTE)
            ((name, value),) = active.headers()
            active.end(202)

    [(path, _)] = found.bodies
    [(span, resource)] = spans(found)
    assert path == "/v1/traces"
    assert found.headers[0]["authorization"] == "Bearer t0ken"
    assert resource["service.name"] == "ugc-api"
    assert resource["deployment.environment.name"] == "test"
    assert span.trace_id.hex() == TRACE_ID
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    assert span.name == f"POST {ROUTE}"
    assert attributes(span)["http.response.status_code"] == 202
    assert name == "traceparent"
    assert value.decode() == f"00-{TRACE_ID}-{span.span_id.hex()}-01"


async def test_an_insert_names_the_reports_that_it_brings_home(clock):
    parents = [Parent(trace_id=n, span_id=n, sampled=True) for n in (5, 6)]
    with collector() as found:
        section = TelemetrySection(otlp_endpoint=found.url)
        async with opened(clock, section, service="ugc-etl") as tracing:
            assert tracing.insert([], "views", 3) is None
            tracing.insert(parents, "views", 3).end(failed=True)

    [(span, _)] = spans(found)
    assert [int(link.trace_id.hex(), 16) for link in span.links] == [5, 6]
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert attributes(span)["messaging.batch.message_count"] == 3


async def test_the_agent_of_elastic_sends_the_same_to_an_apm_server(clock):
    with collector() as found:
        section = TelemetrySection(apm_server_url=found.url, apm_token="t0ken")
        async with opened(clock, section, service="ugc-api") as tracing:
            active = tracing.start(WISH, ROUTE)
            ((_, value),) = active.headers()
            active.end(503)
            tracing.insert([parse_parent(value)], "views", 3).end(failed=False)

    events = [json.loads(line) for _, body in found.bodies for line in body.splitlines()]
    request, insert = (event["transaction"] for event in events if "transaction" in event)
    assert found.headers[0]["authorization"] == "Bearer t0ken"
    assert (request["trace_id"], request["parent_id"]) == (TRACE_ID, "b7ad6b7169203331")
    assert (request["name"], request["result"]) == (f"POST {ROUTE}", "HTTP 5xx")
    assert request["outcome"] == "failure"
    assert value.decode() == f"00-{TRACE_ID}-{request['id']}-01"
    assert insert["links"] == [{"trace_id": TRACE_ID, "span_id": request["id"]}]


SERVERS = pytest.mark.parametrize("server", [black_hole, nobody, refusing])
KINDS = pytest.mark.parametrize("kind", ["otlp_endpoint", "apm_server_url"])


@SERVERS
@KINDS
async def test_a_dead_server_holds_up_neither_requests_nor_the_end(clock, server, kind):
    with server() as found:
        section = settings_of(**{kind: found.url}, trace_ratio=1.0)
        async with opened(clock, section, service="ugc-api") as tracing:
            for _ in range(3000):  # more than the queue holds
                tracing.start(None, ROUTE).end(202)
            if server is not nobody:
                found.wait()
            stopped = time.monotonic()
        assert time.monotonic() - stopped < CLOSE_S + 3


async def test_without_a_setting_there_is_no_tracing(clock):
    async with opened(clock, TelemetrySection(), service="ugc-api") as tracing:
        assert tracing is None


BAD = {
    "both": ({"otlp_endpoint": "http://a", "apm_server_url": "http://b"}, "keep one"),
    "no URL": ({"otlp_endpoint": "collector:4318"}, "telemetry.otlp_endpoint is not"),
    "no port": ({"otlp_endpoint": "http://a:99999"}, "telemetry.otlp_endpoint is not"),
    "a word for a port": ({"apm_server_url": "http://a:x"}, "telemetry.apm_server_url is not"),
    "a blank": ({"otlp_endpoint": "http://a b"}, "telemetry.otlp_endpoint is not"),
    "a line break": ({"otlp_endpoint": "http://a\n"}, "telemetry.otlp_endpoint is not"),
    "a fragment": ({"otlp_endpoint": "http://a/#x"}, "holds more than an address"),
    "a token in it": ({"apm_server_url": "http://u:t0ken@a"}, "give the token by itself"),
    "no DSN": ({"sentry_dsn": "http://t0ken-is-none"}, "telemetry.sentry_dsn is not a DSN"),
}


@pytest.mark.parametrize(("settings", "said"), BAD.values(), ids=BAD)
async def test_a_setting_that_cannot_work_stops_the_start_without_being_quoted(
    clock, settings, said
):
    with pytest.raises(ConfigError, match=said) as stopped:
        async with opened(clock, settings_of(**settings), service="ugc-api"):
            pass

    assert "t0ken" not in str(stopped.value)


EXTRAS = {
    "otel": ("opentelemetry.sdk.trace", "ugc_core.adapters.otel_tracing", "otlp_endpoint"),
    "apm": ("elasticapm", "ugc_core.adapters.elasticapm_agent", "apm_server_url"),
    "sentry": ("sentry_sdk", "ugc_core.adapters.sentry_errors", "sentry_dsn"),
}


@pytest.mark.parametrize("extra", EXTRAS)
async def test_a_missing_extra_stops_the_start_and_is_named(clock, monkeypatch, extra):
    library, adapter, setting = EXTRAS[extra]
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, adapter, raising=False)
    section = settings_of(**{setting: "http://127.0.0.1:1"})

    with pytest.raises(ConfigError) as stopped:
        async with opened(clock, section, service="ugc-etl"):
            pass

    assert f"pip install 'ugc-etl[{extra}]'" in str(stopped.value)
    assert setting in str(stopped.value)


class Broken:
    """Tracing in which everything fails."""

    def start(self, traceparent, route):
        return self

    def insert(self, links, topic, lines):
        raise RuntimeError

    def headers(self):
        raise RuntimeError

    def end(self, status):
        raise RuntimeError


async def test_tracing_that_fails_costs_nothing_but_the_trace(clock):
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    tracing = Guarded(Broken(), clock)
    active = tracing.start(None, ROUTE)

    assert active is not None
    assert active.headers() == ()
    active.end(202)
    assert tracing.insert([], "views", 1) is None


def test_contexts_are_found_among_records_up_to_a_bound():
    def record(number: int, *headers: tuple[str, bytes]) -> Record:
        return Record(
            partition=0,
            offset=number,
            key=None,
            value=b"{}",
            headers=headers,
            timestamp_ms=0,
        )

    traced = [record(n, ("traceparent", WISH)) for n in range(MOST_LINKS + 5)]
    others = [record(500, ("schema_version", b"1")), record(501, ("traceparent", b"nonsense"))]

    assert contexts(others) == []
    assert contexts([*others, *traced]) == [parse_parent(WISH)] * MOST_LINKS
