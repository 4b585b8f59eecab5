"""Accepts clients, lets them in, and sends them away when the server stops."""

import asyncio
import logging
import socket
import traceback
from collections.abc import Iterable
from contextlib import suppress

from chdb_server import packets
from chdb_server.engine import Engine, EngineConnection
from chdb_server.errors import (
    UNKNOWN_EXCEPTION,
    ClientGoneError,
    DatabaseError,
    ProtocolError,
    ServerError,
)
from chdb_server.limits import Limits
from chdb_server.link import READ_BYTES, Link
from chdb_server.login import Login
from chdb_server.packets import Hello
from chdb_server.session import Session
from chdb_server.spool import Spools
from chdb_server.tokens import quoted_name

log = logging.getLogger(__name__)

AUTHENTICATION_FAILED, TOO_MANY_CONNECTIONS = 516, 202


class Server:
    """Everything between the listening socket and the sessions."""

    def __init__(self, engine: Engine, *, login: Login, limits: Limits, spools: Spools) -> None:
        """Nothing listens yet."""
        self._engine = engine
        self._login = login
        self._limits = limits
        self._spools = spools
        self._sessions: dict[asyncio.Task[None], Session] = {}
        self._strangers: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._draining = False

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which the system chose if it was 0.

        Raises:
            OSError: The address is taken, or is not ours.
        """
        # One socket: a name with two addresses and port 0 would get two ports.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = await asyncio.start_server(
            self._meet, host, port, family=family, limit=READ_BYTES
        )
        address: tuple[str, int] = self._listener.sockets[0].getsockname()
        return address[1]

    async def drain(self, deadline_s: float) -> bool:
        """Accept nobody any more, let running queries end, then end those that do not.

        Returns:
            Whether everything ended.
        """
        self._draining = True
        if self._listener is not None:
            self._listener.close()
        for session in self._sessions.values():
            session.leaving = True
        _cancel(self._strangers)
        _cancel(task for task, session in self._sessions.items() if not session.busy)
        return await self._ended(deadline_s) or await self._end()

    async def _end(self) -> bool:
        """Stop what runs in the engine, then what waits for a client."""
        log.warning("clients cut off at the deadline: %d", len(self._sessions))
        for session in list(self._sessions.values()):
            await session.kill()
        if await self._ended(self._limits.kill_s):
            return True
        _cancel(self._sessions)
        return await self._ended(self._limits.kill_s)

    async def _ended(self, deadline_s: float) -> bool:
        left = {*self._sessions, *self._strangers}
        if left:
            await asyncio.wait(left, timeout=deadline_s)
        return not self._sessions and not self._strangers

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        full = self._draining or len(self._strangers) >= self._limits.max_connections
        if task is None or full:
            writer.close()
            return
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        link = Link(reader, writer, self._limits)
        self._strangers.add(task)
        try:
            await self._serve(link, task)
        except asyncio.CancelledError:
            pass  # the server is stopping
        except (ClientGoneError, TimeoutError):
            log.debug("a client left or kept us waiting")
        except ServerError as error:
            await _tell(link, error)
        except Exception as error:
            _report(error)
            await _tell(link, error)
        finally:
            self._strangers.discard(task)
            self._sessions.pop(task, None)
            await link.close()

    async def _serve(self, link: Link, task: asyncio.Task[None]) -> None:
        async with asyncio.timeout(self._limits.handshake_s):
            hello = await packets.read_hello(link.wire)
        self._check(hello, link.address)
        connection = await self._engine.connect()
        try:
            await self._welcome(link, hello, connection)
            session = Session(link, connection, engine=self._engine, spools=self._spools)
            self._strangers.discard(task)
            self._sessions[task] = session
            await session.serve(hello.revision, self._limits)
        finally:
            await connection.close()

    def _check(self, hello: Hello, address: str) -> None:
        if not self._login.admits(hello):
            log.warning("a login from %s is refused", address)
            msg = "Authentication failed: password is incorrect, or there is no user with such name"
            raise ProtocolError(msg, code=AUTHENTICATION_FAILED)
        if len(self._sessions) >= self._limits.max_connections:
            msg = f"Too many connections: at most {self._limits.max_connections}"
            raise ProtocolError(msg, code=TOO_MANY_CONNECTIONS)

    async def _welcome(self, link: Link, hello: Hello, connection: EngineConnection) -> None:
        if hello.database:
            await connection.query(f"USE {quoted_name(hello.database)}")
        major, minor, patch, *_ = (int(part) for part in self._engine.version.split("."))
        await link.send(packets.hello((major, minor, patch), self._engine.timezone))


def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in list(tasks):
        task.cancel()


async def _tell(link: Link, error: Exception) -> None:
    """Say why the connection is closed, if the client still listens."""
    if isinstance(error, DatabaseError | ProtocolError):
        packet = packets.exception(error.code, str(error))
    else:
        text = f"internal error of chdb-server ({type(error).__name__}); the connection is closed"
        packet = packets.exception(UNKNOWN_EXCEPTION, text)
    with suppress(ClientGoneError):
        await link.send(packet)
        await link.linger()


def _report(error: Exception) -> None:
    """Log the error's kind and place; not its text, which may quote SQL or rows."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    places = " < ".join(f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in frames)
    log.error("internal error: %s in %s", type(error).__name__, places)
