"""Errors to Sentry, by a client of our own: nothing of the interpreter is patched."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from sentry_sdk import Client
from sentry_sdk.utils import BadDsn, event_from_exception

from ugc_core.discretion import Discretion
from ugc_core.error_reports import ErrorReports
from ugc_core.errors import ConfigError
from ugc_core.settings import TelemetrySection

_NEVER_SENT = ("request", "user", "extra", "breadcrumbs", "modules", "server_name")
_DEPTH = 16
_QUEUE = 100
_CLOSE_S = 1.5


class SentryErrors:
    """Sends errors of one process."""

    def __init__(
        self,
        section: TelemetrySection,
        *,
        service: str,
        version: str,
        secrets: Collection[str] = (),
    ) -> None:
        """Start nothing; a thread comes with the first error.

        Raises:
            ConfigError: The DSN is none.
        """
        self._discretion = Discretion((section.sentry_dsn, *secrets), depth=_DEPTH)
        try:
            self._client = Client(
                dsn=section.sentry_dsn,
                release=f"{service}@{version}",
                environment=section.environment or None,
                # send_default_pii is left alone: false is its default, and to say so is deprecated.
                max_request_body_size="never",
                include_local_variables=False,
                include_source_context=False,
                default_integrations=False,
                auto_enabling_integrations=False,
                auto_session_tracking=False,
                enable_backpressure_handling=False,
                max_breadcrumbs=0,
                transport_queue_size=_QUEUE,
                before_send=self._scrubbed,
            )
        except (BadDsn, ValueError) as error:  # BadDsn's message quotes the DSN
            msg = "telemetry.sentry_dsn is not a DSN; copy it from the project's settings in Sentry"
            raise ConfigError(msg) from error

    def report(self, event: str, error: BaseException, fields: Mapping[str, str]) -> None:
        """Send an error."""
        found, hint = event_from_exception(error, client_options=self._client.options)
        found["level"] = "error"
        found["logentry"] = {"message": event}
        found["tags"] = dict(fields)
        self._client.capture_event(found, hint)

    def close(self) -> None:
        """Send what waits, for a moment."""
        self._client.close(timeout=_CLOSE_S)

    def _scrubbed(self, event: Any, _: Any) -> Any:
        """Return what may be sent of an event: no request, no variable, no secret in a text."""
        for name in _NEVER_SENT:
            event.pop(name, None)
        for value in event.get("exception", {}).get("values", ()):
            for frame in value.get("stacktrace", {}).get("frames", ()):
                frame.pop("vars", None)
        return self._discretion(None, "", event)


if TYPE_CHECKING:
    _port: type[ErrorReports] = SentryErrors
