"""What stands behind traces and error reports: nothing, unless the settings name a server.

The libraries are extras, imported in the branch that needs them. Whatever they do at the end gets
a moment and no more: their threads are daemons, and a server may be a black hole.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

import structlog

from ugc_core.allowance import Allowance
from ugc_core.clock import Clock
from ugc_core.errors import ConfigError
from ugc_core.sampling import Sampling
from ugc_core.settings import TelemetrySection
from ugc_core.telemetry import reporting
from ugc_core.tracing import Guarded, Tracing

CLOSE_S: Final = 2.0
"""Longest wait for what is still to be sent when a service stops, in seconds."""
_log = structlog.get_logger()


@asynccontextmanager
async def observing(
    section: TelemetrySection, *, service: str, clock: Clock, secrets: Collection[str] = ()
) -> AsyncIterator[Tracing | None]:
    """Report errors in the block, and yield what traces; both as far as they are set.

    Args:
        section: Where to send to.
        service: Name of the program, and of the package that has the extras.
        clock: Time.
        secrets: Texts that no error report may hold, besides all that looks like a secret.

    Raises:
        ConfigError: A setting cannot work, or an extra is not installed.
    """
    _check(section)
    sampling = Sampling(section.trace_ratio, Allowance(section.foreign_traces_per_s, clock))
    tracing: Tracing | None = None
    async with AsyncExitStack() as stack:
        if section.otlp_endpoint:
            with _extra(service, "otel", "telemetry.otlp_endpoint"):
                from ugc_core.adapters.otel_tracing import OtelTracing
            otel = OtelTracing(
                section, service=service, version=version(service), sampling=sampling
            )
            stack.push_async_callback(_close, "OpenTelemetry", otel.close, otel.give_up)
            tracing = otel
        if section.apm_server_url:
            with _extra(service, "apm", "telemetry.apm_server_url"):
                from ugc_core.adapters.elasticapm_agent import ApmAgent
            agent = ApmAgent(
                section,
                service=service,
                version=version(service),
                sampling=sampling,
                secrets=secrets,
            )
            stack.push_async_callback(_close, "Elastic APM", agent.close)
            stack.enter_context(reporting.to(agent, clock))
            tracing = agent
        if section.sentry_dsn:
            with _extra(service, "sentry", "telemetry.sentry_dsn"):
                from ugc_core.adapters.sentry_errors import SentryErrors
            sentry = SentryErrors(
                section, service=service, version=version(service), secrets=secrets
            )
            stack.push_async_callback(_close, "Sentry", sentry.close)
            stack.enter_context(reporting.to(sentry, clock))
        yield None if tracing is None else Guarded(tracing, clock)


def _check(section: TelemetrySection) -> None:
    """Refuse what cannot work.

    Raises:
        ConfigError: A server's address is none, or there are two for traces.
    """
    if section.otlp_endpoint and section.apm_server_url:
        msg = (
            "telemetry.otlp_endpoint and telemetry.apm_server_url both take traces; keep one"
            " (an APM Server takes OTLP, too)"
        )
        raise ConfigError(msg)
    for name in ("otlp_endpoint", "apm_server_url"):
        if url := getattr(section, name):
            _check_server(f"telemetry.{name}", url)


def _check_server(setting: str, url: str) -> None:
    try:
        found = urlsplit(url)
        is_server = bool(found.hostname) and found.port != 0
    except ValueError as error:  # half an IPv6 address, or a port that is none
        msg = f"{setting} is not an http or https URL"
        raise ConfigError(msg) from error
    # urlsplit leaves line breaks out and blanks in; a client sends nothing to either.
    is_clean = url.isprintable() and " " not in url
    if found.scheme not in {"http", "https"} or not is_server or not is_clean:
        msg = f"{setting} is not an http or https URL"
        raise ConfigError(msg)
    if found.username or found.password or found.query or found.fragment:
        msg = f"{setting} holds more than an address; give the token by itself"
        raise ConfigError(msg)


@contextmanager
def _extra(service: str, extra: str, setting: str) -> Iterator[None]:
    """Tell how to install what an import in the block does not find."""
    try:
        yield
    except ImportError as error:
        msg = f"{setting} is set and its library is not there: pip install '{service}[{extra}]'"
        raise ConfigError(msg) from error


async def _close(
    name: str, close: Callable[[], None], give_up: Callable[[], None] | None = None
) -> None:
    """Give it a moment to send what waits; a thread that is late is told, and left behind."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def run() -> None:
        try:
            close()
        finally:
            with suppress(RuntimeError):  # the loop has gone without us
                loop.call_soon_threadsafe(done.set)

    threading.Thread(target=run, name=f"close {name}", daemon=True).start()
    try:
        async with asyncio.timeout(CLOSE_S):
            await done.wait()
    except TimeoutError:
        _log.warning("telemetry not sent to its end", to=name)
        if give_up is not None:
            give_up()
