"""Traces over OTLP/HTTP, by the SDK of OpenTelemetry.

Spans wait in a bounded queue for a thread that sends them; what finds no room is dropped.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from ugc_core.log import Headers
from ugc_core.sampling import Parent, Sampling, parse_parent
from ugc_core.settings import TelemetrySection
from ugc_core.tracing import TRACE_HEADER, Active, ActiveInsert, Tracing, is_failure

_EXPORT_TIMEOUT_S = 5.0
_DELAY_MS = 1000
_QUEUE, _BATCH = 2048, 512


class OtelTracing:
    """Spans of one process."""

    def __init__(
        self, section: TelemetrySection, *, service: str, version: str, sampling: Sampling
    ) -> None:
        """Start the thread that sends; nothing is connected before there is a span."""
        self._sampling = sampling
        token = section.otlp_token
        self._exporter = OTLPSpanExporter(
            endpoint=f"{section.otlp_endpoint.rstrip('/')}/v1/traces",
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=_EXPORT_TIMEOUT_S,
        )
        named = {"service.name": service, "service.version": version}
        if section.environment:
            named["deployment.environment.name"] = section.environment
        # Whether a request is traced is decided before there is a span, and by nobody else.
        # Its end at the interpreter's exit would wait for a server that does not answer.
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.create(named), shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._exporter,
                max_queue_size=_QUEUE,
                schedule_delay_millis=_DELAY_MS,
                max_export_batch_size=_BATCH,
            )
        )
        self._tracer = self._provider.get_tracer(service, version)

    def start(self, traceparent: bytes | None, route: str) -> Active | None:
        """Begin with a request, if it is one of those that are traced."""
        parent = None if traceparent is None else parse_parent(traceparent)
        if not self._sampling.takes(parent):
            return None
        context = None
        if parent is not None:
            context = set_span_in_context(NonRecordingSpan(_context(parent)))
        attributes = {"http.request.method": "POST", "http.route": route}
        span = self._tracer.start_span(
            f"POST {route}", context=context, kind=SpanKind.SERVER, attributes=attributes
        )
        return _Request(span)

    def insert(self, links: Sequence[Parent], topic: str, lines: int) -> ActiveInsert | None:
        """Begin with an insert, if it has a traced report."""
        if not links:
            return None
        span = self._tracer.start_span(
            f"insert {topic}",
            kind=SpanKind.CONSUMER,
            links=[Link(_context(parent)) for parent in links],
            attributes={
                "messaging.operation.type": "process",
                "messaging.destination.name": topic,
                "messaging.batch.message_count": lines,
                "db.system.name": "clickhouse",
            },
        )
        return _Insert(span)

    def close(self) -> None:
        """Send what waits; takes as long as the server lets it."""
        self._provider.shutdown()

    def give_up(self) -> None:
        """Drop what still waits: the exporter would try for seconds more, batch after batch."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # theirs has no types


class _Request:
    def __init__(self, span: Span) -> None:
        self._span = span

    def headers(self) -> Headers:
        found = self._span.get_span_context()
        ours = Parent(trace_id=found.trace_id, span_id=found.span_id, sampled=True)
        return ((TRACE_HEADER, bytes(ours)),)

    def end(self, status: int) -> None:
        if status:
            self._span.set_attribute("http.response.status_code", status)
        if is_failure(status):
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class _Insert:
    def __init__(self, span: Span) -> None:
        self._span = span

    def end(self, *, failed: bool) -> None:
        if failed:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def _context(parent: Parent) -> SpanContext:
    return SpanContext(
        parent.trace_id, parent.span_id, is_remote=True, trace_flags=TraceFlags(parent.sampled)
    )


if TYPE_CHECKING:
    _port: type[Tracing] = OtelTracing
