"""Traces and errors by the agent of Elastic APM, with all that it does of its own accord off."""

import atexit
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

from elasticapm import Client
from elasticapm.conf.constants import ERROR, TRANSACTION
from elasticapm.traces import Transaction
from elasticapm.utils.disttracing import TraceParent

from ugc_core.discretion import Discretion
from ugc_core.error_reports import ErrorReports
from ugc_core.log import Headers
from ugc_core.sampling import Parent, Sampling, parse_parent
from ugc_core.settings import TelemetrySection
from ugc_core.tracing import TRACE_HEADER, Active, ActiveInsert, Tracing, is_failure

_DEPTH = 16
_HUNDRED = 100


class _DiscreetClient(Client):
    """Sends errors with no secret in their texts."""

    def __init__(self, discretion: Discretion, config: dict[str, object]) -> None:
        self._discretion = discretion
        super().__init__(config)

    def load_processors(self) -> list[Callable[..., object]]:
        def scrub(_: Client, data: MutableMapping[str, Any]) -> object:
            return self._discretion(None, "", data)

        scrub.event_types = [ERROR]  # type: ignore[attr-defined]  # the agent's own way to say so
        others = super().load_processors()  # type: ignore[no-untyped-call]  # theirs has no types
        return [*others, scrub]


class ApmAgent:
    """The agent of one process."""

    def __init__(
        self,
        section: TelemetrySection,
        *,
        service: str,
        version: str,
        sampling: Sampling,
        secrets: Collection[str] = (),
    ) -> None:
        """Start the thread that sends."""
        self._sampling = sampling
        self._client = _DiscreetClient(
            Discretion((section.apm_token, *secrets), depth=_DEPTH),
            {
                "SERVER_URL": section.apm_server_url,
                "SECRET_TOKEN": section.apm_token or None,
                "SERVICE_NAME": service,
                "SERVICE_VERSION": version,
                "ENVIRONMENT": section.environment or None,
                # No request, no header, no variable: a report's content stays here.
                "CAPTURE_BODY": "off",
                "CAPTURE_HEADERS": False,
                "COLLECT_LOCAL_VARIABLES": "off",
                "SOURCE_LINES_ERROR_APP_FRAMES": 0,
                "SOURCE_LINES_ERROR_LIBRARY_FRAMES": 0,
                "INSTRUMENT": False,
                "BREAKDOWN_METRICS": False,
                "METRICS_INTERVAL": "0s",
                "CENTRAL_CONFIG": False,
                "CLOUD_PROVIDER": "none",
                "SKIP_SERVER_INFO": True,
                "DISABLE_LOG_RECORD_FACTORY": True,
                "TRANSACTION_SAMPLE_RATE": 1.0,  # decided here, before there is a transaction
                "SERVER_TIMEOUT": "5s",
                "API_REQUEST_TIME": "2s",
            },
        )
        atexit.unregister(self._client.close)  # it would wait for a server that does not answer

    def start(self, traceparent: bytes | None, route: str) -> Active | None:
        """Begin with a request, if it is one of those that are traced."""
        parent = None if traceparent is None else parse_parent(traceparent)
        if not self._sampling.takes(parent):
            return None
        above = None if parent is None else _trace_parent(parent)
        transaction = self._client.begin_transaction("request", above, auto_activate=False)
        if transaction is None:
            return None
        transaction.name = f"POST {route}"
        return _Traced(self._client, transaction)

    def insert(self, links: Sequence[Parent], topic: str, lines: int) -> ActiveInsert | None:
        """Begin with an insert, if it has a traced report."""
        if not links:
            return None
        above = [_trace_parent(parent) for parent in links]
        transaction = self._client.begin_transaction("messaging", links=above, auto_activate=False)
        if transaction is None:
            return None
        transaction.name = f"insert {topic}"
        transaction.label(lines=lines)
        return _TracedInsert(self._client, transaction)

    def report(self, event: str, error: BaseException, fields: Mapping[str, str]) -> None:
        """Send an error."""
        found = (type(error), error, error.__traceback__)
        self._client.capture_exception(  # type: ignore[no-untyped-call]  # theirs has no types
            found, custom={"event": event, **fields}
        )

    def close(self) -> None:
        """Send what waits."""
        self._client.close()


class _Traced:
    def __init__(self, client: Client, transaction: Transaction) -> None:
        self._client = client
        self._transaction = transaction

    def headers(self) -> Headers:
        trace_id = int(self._transaction.trace_parent.trace_id, 16)
        ours = Parent(trace_id=trace_id, span_id=int(self._transaction.id, 16), sampled=True)
        return ((TRACE_HEADER, bytes(ours)),)

    def end(self, status: int) -> None:
        result = f"HTTP {status // _HUNDRED}xx" if status else "aborted"
        _end(self._client, self._transaction, result, failed=is_failure(status))


class _TracedInsert:
    def __init__(self, client: Client, transaction: Transaction) -> None:
        self._client = client
        self._transaction = transaction

    def end(self, *, failed: bool) -> None:
        _end(self._client, self._transaction, "failed" if failed else "stored", failed=failed)


def _end(client: Client, transaction: Transaction, result: str, *, failed: bool) -> None:
    transaction.result = result
    transaction.set_failure() if failed else transaction.set_success()
    transaction.end()
    client.queue(TRANSACTION, transaction.to_dict())


def _trace_parent(parent: Parent) -> TraceParent:
    found = TraceParent.from_string(bytes(parent).decode())
    assert found is not None  # noqa: S101 - our own writing, which it cannot fail to read
    return found


if TYPE_CHECKING:
    _tracing: type[Tracing] = ApmAgent
    _errors: type[ErrorReports] = ApmAgent
