"""Opens the services when an ASGI server starts, and closes them when it stops."""

import signal
from contextlib import AsyncExitStack

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from ugc_api.app import create_app
from ugc_api.bootstrap import open_services
from ugc_core.clock import SystemClock
from ugc_core.errors import LogDamagedError, UgcError
from ugc_core.settings import Settings

_log = structlog.get_logger()


class Lifespan:
    """An ASGI application around the real one, which is built once its services are open."""

    def __init__(self, settings: Settings) -> None:
        """Open nothing yet."""
        self._settings = settings
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start, stop, or pass a request on."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._app is None:
            msg = "the ASGI server does not speak the lifespan protocol, or did not wait for it"
            raise RuntimeError(msg)
        else:
            await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                opening = open_services(self._settings, clock=SystemClock(), on_damage=_stop)
                self._app = create_app(await stack.enter_async_context(opening))
            except UgcError as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _stop(error: LogDamagedError) -> None:
    """Ask the server around us to stop; what supervises it sees the reason."""
    _log.critical("the log takes nothing any more", reason=str(error))
    signal.raise_signal(signal.SIGTERM)
