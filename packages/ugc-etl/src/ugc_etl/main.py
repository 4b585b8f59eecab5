"""The service: from the environment's settings to a loop that ends on SIGTERM."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from importlib.metadata import version

import structlog
from prometheus_client import start_http_server

from ugc_core.allocator import collecting, keep_one_arena
from ugc_core.clock import SystemClock
from ugc_core.environment import environment
from ugc_core.errors import InUseError, UgcError
from ugc_core.exits import OK, exit_code
from ugc_core.settings import EtlSection, Settings
from ugc_core.sources import load
from ugc_core.telemetry import configure_logging
from ugc_etl.bootstrap import open_pipeline
from ugc_etl.metrics import EtlMetrics

_log = structlog.get_logger()
_EPILOG = """\
Settings come from UGC_… variables and from ugc.toml; `ugc config show` lists them.
Exit codes: 0 stopped on request, 1 a person has to act, 4 a dependency is unreachable,
5 bad configuration.
"""


def main() -> None:
    """Run the pipeline until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="ugc-etl",
        description="Move reports from the log into the warehouse, each exactly once.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ugc-etl {version('ugc-etl')}")
    parser.parse_args()
    keep_one_arena()
    try:
        settings = load(environment()).settings
        configure_logging(settings, service="ugc-etl")
        asyncio.run(serve(settings))
    except UgcError as error:
        sys.stderr.write(f"ugc-etl: {error}\n")
        sys.exit(exit_code(error))
    sys.exit(OK)


async def serve(settings: Settings) -> None:
    """Run the pipeline that the settings describe.

    Raises:
        UgcError: It cannot start, or a person has to act.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = EtlMetrics()
    close_metrics = _serve_metrics(settings.etl, metrics)
    working = asyncio.create_task(_work(settings, metrics, stop))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        # Draining keeps its own deadline; what is beyond it is a log that does not answer.
        await asyncio.wait({working}, timeout=settings.etl.drain_s + settings.log.call_timeout_s)
        working.cancel()
        await asyncio.wait({working})
        if not working.cancelled():
            working.result()
    finally:
        stopping.cancel()
        close_metrics()


async def _work(settings: Settings, metrics: EtlMetrics, stop: asyncio.Event) -> None:
    """Open the pipeline and run it; a stop while it still waits to open ends the wait."""
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        await stack.enter_async_context(collecting(clock))
        pipeline_context = open_pipeline(settings, clock=clock, metrics=metrics)
        opening = asyncio.ensure_future(stack.enter_async_context(pipeline_context))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not opening.done():
            opening.cancel()
            await asyncio.wait({opening})
            return
        pipeline = opening.result()
        sys.stdout.write(f"ugc-etl ready: {settings.log.topic} as {settings.log.group}\n")
        sys.stdout.flush()
        await pipeline.run(stop)
    _log.info("stopped")


def _serve_metrics(section: EtlSection, metrics: EtlMetrics) -> Callable[[], None]:
    """Serve `/metrics` from a thread, if a port is set; return what ends it."""
    if not section.metrics_port:
        return lambda: None
    try:
        server, thread = start_http_server(
            section.metrics_port, section.metrics_host, registry=metrics.registry
        )
    except OSError as error:
        msg = (
            f"cannot serve metrics on {section.metrics_host}:{section.metrics_port}: {error};"
            " set another UGC_ETL__METRICS_PORT"
        )
        raise InUseError(msg) from error

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=1)

    return close
