"""Starts the server, waits for the signal to stop, and says why when it cannot start."""

import asyncio
import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence

from chdb_server.adapters.chdb_engine import ChdbEngine
from chdb_server.errors import BusyError, StartError, UnusableError
from chdb_server.lock import directory_lock
from chdb_server.options import Options, read_options
from chdb_server.server import Server
from chdb_server.spool import Spools

log = logging.getLogger(__name__)

SPOOL_DIRECTORY = "chdb-server-inserts"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    options = read_options(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="chdb-server: %(message)s")
    try:
        with directory_lock(options.data):
            asyncio.run(_serve(options))
    except StartError as error:
        sys.stderr.write(f"chdb-server: {error}\n")
        return error.exit_code
    return 0


async def _serve(options: Options) -> None:
    stop = _stop_signal()  # first, so that a signal while the store opens is not lost
    async with ChdbEngine.open(options.data, max_memory_bytes=options.max_memory_bytes) as engine:
        if broken := engine.broken_parts():
            log.warning("damaged parts set aside: %d; see system.detached_parts", broken)
        spools = Spools(options.data / SPOOL_DIRECTORY, limit=options.limits.max_insert_bytes)
        server = Server(engine, login=options.login, limits=options.limits, spools=spools)
        port = await _listen(server, options)
        host = f"[{options.host}]" if ":" in options.host else options.host
        sys.stdout.write(f"chdb-server ready on {host}:{port} (ClickHouse {engine.version})\n")
        sys.stdout.flush()
        await stop.wait()
        if not await server.drain(options.shutdown_s):
            # A thread inside the engine cannot be ended, and Python would wait for it.
            log.warning("a query does not end; leaving it behind")
            os._exit(0)


def _stop_signal() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _listen(server: Server, options: Options) -> int:
    try:
        return await server.start(options.host, options.port)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        if error.errno == errno.EADDRINUSE:
            msg = f"{where} is in use by another process; stop it, or choose another --port"
            raise BusyError(msg) from error
        msg = f"cannot listen on {where}: {error.strerror}"
        raise UnusableError(msg) from error
