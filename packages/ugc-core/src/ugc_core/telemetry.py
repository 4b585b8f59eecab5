"""What the services say: structured log lines on stderr, and the names of metrics.

Lines carry an event name and fields, never a token, a secret or a report's content.
"""

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog
from structlog.typing import Processor

from ugc_core.discretion import Discretion, one_line
from ugc_core.error_reports import Reporting
from ugc_core.settings import Settings
from ugc_core.sources import secrets_of

reporting = Reporting()
"""Passes errors on to where they are collected, while somebody has said where: logging is one for
the whole process, and so is this."""

METRIC_PREFIX = "ugc"

# Names and units after the Prometheus conventions: base units, `_total` for counters.
API_EVENTS = f"{METRIC_PREFIX}_api_events_total"
API_REQUESTS = f"{METRIC_PREFIX}_api_requests_total"
API_CONNECTIONS = f"{METRIC_PREFIX}_api_connections"
API_APPEND_SECONDS = f"{METRIC_PREFIX}_api_append_seconds"
API_AUTH_FAILURES = f"{METRIC_PREFIX}_api_auth_failures_total"
API_TOKEN_CACHE = f"{METRIC_PREFIX}_api_token_cache_total"
API_IN_FLIGHT = f"{METRIC_PREFIX}_api_requests_in_flight"
API_SHED = f"{METRIC_PREFIX}_api_shed_total"
API_WORKERS = f"{METRIC_PREFIX}_api_workers"
ETL_LINES = f"{METRIC_PREFIX}_etl_lines_total"
ETL_BATCHES = f"{METRIC_PREFIX}_etl_batches_total"
ETL_INSERT_SECONDS = f"{METRIC_PREFIX}_etl_insert_seconds"
ETL_RETRIES = f"{METRIC_PREFIX}_etl_retries_total"
ETL_BUFFERED_BYTES = f"{METRIC_PREFIX}_etl_buffered_bytes"
ETL_PAUSED = f"{METRIC_PREFIX}_etl_paused_partitions"


def configure_logging(settings: Settings, *, service: str) -> None:
    """Send structlog's lines to stderr, and other libraries' warnings in the same form.

    Args:
        settings: Level and format; and the secrets, which must not appear in any line.
        service: Name of the program, in every line.
    """
    rendering = _rendering(settings.logging.format, Discretion(secrets_of(settings)))
    level = logging.getLevelNamesMapping()[settings.logging.level.upper()]
    structlog.configure(
        processors=[*_processors(), *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Lossy(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_processors(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *rendering,
            ],
        )
    )
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)


class _Lossy:
    """A file for lines: one that finds no room, or no reader, is lost, and nothing else with it.

    What logs is in the middle of something: an OSError from here would end a request without its
    answer, or a task that keeps a connection or keys alive.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # ValueError: the file is closed
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._file.flush()


def _processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _rendering(style: str, discretion: Discretion) -> list[Processor]:
    """Return the last steps: tracebacks become text before secrets are looked for."""
    discreet: list[Processor] = [reporting, structlog.processors.format_exc_info, discretion]
    if style == "json":
        return [*discreet, structlog.processors.JSONRenderer()]
    # The default formatter is rich's where rich is installed, and it prints every local
    # variable: tokens, secrets and bodies.
    plain = structlog.dev.plain_traceback
    colours = sys.stderr.isatty()
    console = structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)
    return [*discreet, one_line, console]
