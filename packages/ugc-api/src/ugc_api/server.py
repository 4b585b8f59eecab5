"""One uvicorn server in this process: its socket, its signals, its end."""

import asyncio
import errno
import math
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from uvicorn import Config, Server

from ugc_api.app import create_app
from ugc_api.bootstrap import open_services
from ugc_api.http_protocol import HttpProtocol
from ugc_api.intake.single import is_single
from ugc_api.limiting.open_files import room_for_connections
from ugc_api.limiting.wire import Wire
from ugc_core.allocator import collecting_seldom
from ugc_core.api_settings import ApiSection
from ugc_core.clock import Clock, SystemClock
from ugc_core.errors import ConfigError, InUseError, LogDamagedError
from ugc_core.settings import Settings

_BACKLOG = 2048
_LAST_WORDS_S = 1.0
"""What is cut off at the end may take so long to say so."""
_LOOK_S = 0.01
_TICKS_A_SECOND = 10
"""So often uvicorn looks whether to stop."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class QuietServer(Server):
    """uvicorn without its habit of dying by the signal that it was stopped with."""

    def __init__(self, config: Config, *, wire: Wire, clock: Clock) -> None:
        """Hold the connections of `wire` to their deadlines."""
        super().__init__(config)
        self._wire = wire
        self._clock = clock
        self._sweep_every = max(round(wire.sweep_s * _TICKS_A_SECOND), 1)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain on SIGTERM and SIGINT; a second SIGINT does not wait any longer."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        for listening in sockets or []:
            sys.stdout.write(f"ugc-api ready on {url(listening)}\n")
            sys.stdout.flush()

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections, too."""
        self._wire.wake()
        if counter % self._sweep_every == 0:
            self._wire.sweep()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what is under way; every further answer closes its connection."""
        self._wire.draining = True
        await super().shutdown(sockets)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                while self.server_state.tasks:
                    await self._clock.sleep(_LOOK_S)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way.

    Raises:
        InUseError: The port is taken.
        UgcError: It cannot start.
        LogDamagedError: The log takes nothing any more.
    """
    damage: list[LogDamagedError] = []

    def stop(error: LogDamagedError) -> None:
        damage.append(error)
        server.should_exit = True

    with _ends_quietly(), bind(settings.api) as listening:
        clock = SystemClock()
        async with open_services(settings, clock=clock, on_damage=stop) as services:
            wire = services.wire
            wire.max_connections = room_for_connections(wire.max_connections)
            server = QuietServer(
                Config(
                    create_app(services),
                    http=partial(HttpProtocol, wire=wire, lightly=is_single),  # type: ignore[arg-type]  # it makes one
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    proxy_headers=False,
                    reset_contextvars=True,  # a pipelined request is begun by the one before it
                    backlog=_BACKLOG,
                    timeout_graceful_shutdown=math.ceil(settings.api.drain_s),
                ),
                wire=wire,
                clock=clock,
            )
            with collecting_seldom():
                await server.serve([listening])
    if damage:
        raise damage[0]


@contextmanager
def _ends_quietly() -> Iterator[None]:
    """Let a signal end the start, too; once it listens, uvicorn's handlers take over."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stopped: list[int] = []

    def stop(number: int) -> None:
        stopped.append(number)
        if task is not None:
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    except asyncio.CancelledError:
        if not stopped:
            raise


def url(listening: socket.socket) -> str:
    """Return the address that clients on this machine use."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def bind(section: ApiSection) -> Iterator[socket.socket]:
    """Take the port now, so that a taken one is known before anything is opened.

    Raises:
        ConfigError: There is no such address here, or no right to the port.
        InUseError: Another process has it.
    """
    where = f"{section.host}:{section.port}"
    try:
        found = socket.getaddrinfo(section.host, section.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        msg = f"cannot listen on {where}: {error}; set another UGC_API__HOST"
        raise ConfigError(msg) from error
    with listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                msg = (
                    f"port {section.port} of {section.host} is in use by another process; stop"
                    " that one, or set another UGC_API__PORT"
                )
                raise InUseError(msg) from error
            msg = f"cannot listen on {where}: {error}; set another UGC_API__HOST or UGC_API__PORT"
            raise ConfigError(msg) from error
        yield listening
