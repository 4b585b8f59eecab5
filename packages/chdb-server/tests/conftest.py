"""A real server process, clients for it, and an engine inside the tests' own process."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import asyncio
import inspect
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from asynch.connection import Connection

from chdb_server.adapters.chdb_engine import ChdbEngine
from chdb_server.blocks import BLOCK_INFO, Shape, pass_block, pass_block_info
from chdb_server.compression import FrameSource, Method, compress
from chdb_server.packets import REVISION, ServerPacket
from chdb_server.wire import Reader, string, varint

START_S = 30
STOP_S = 30
TEST_S = 60
MEMORY_BYTES = 512 << 20


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run `async def` tests, each with a deadline."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_S))
    return True


@dataclass
class RunningServer:
    """A server process that said it is ready."""

    process: subprocess.Popen[str]
    data: Path
    stderr: Path
    ready_line: str
    port: int
    password: str = ""

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and wait for the end."""
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def end(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_S)

    @asynccontextmanager
    async def connect(self, **options) -> AsyncIterator["Client"]:
        """Open an asynch connection."""
        given = {"host": "127.0.0.1", "port": self.port, "password": self.password, **options}
        connection = Connection(**given)
        await connection.connect()
        try:
            yield Client(connection)
        finally:
            await connection.close()

    @asynccontextmanager
    async def raw(self) -> AsyncIterator["RawClient"]:
        """Open a connection that can misbehave, and log in."""
        async with RawClient.connect(self.port) as client:
            await client.log_in()
            yield client

    async def running(self, sql_part: str) -> int:
        """How many queries are running that have this in their text."""
        sql = f"SELECT count() FROM system.processes WHERE position(query, '{sql_part}') > 0"
        ((number,),) = await self.rows(f"{sql} AND position(query, 'system.processes') = 0")
        return number

    def buffered_inserts(self) -> int:
        """How many INSERTs the process holds rows of."""
        number = 0
        for path in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                number += str(path.readlink()).startswith("/memfd:insert")
        return number

    async def rows(self, sql: str, settings: dict[str, str] | None = None, **options):
        """Ask one question on a connection of its own."""
        async with self.connect(**options) as client:
            return await client.ask(sql, settings)


@dataclass
class Client:
    """An asynch connection with the two things that tests do with one."""

    connection: Connection

    async def ask(self, sql: str, settings: dict[str, str] | None = None):
        """Run the statement; return the rows of its result."""
        async with self.connection.cursor() as cursor:
            cursor.set_settings(settings or {})
            await cursor.execute(sql)
            return await cursor.fetchall()

    async def put(self, insert: str, rows, settings: dict[str, str] | None = None):
        """Run an INSERT with rows."""
        async with self.connection.cursor() as cursor:
            cursor.set_settings(settings or {})
            return await cursor.execute(insert, rows)


@dataclass(kw_only=True)
class Packet:
    """What a server said.

    Attributes:
        block: Of a Data packet, in `FORMAT Native`.
        code: Of an Exception.
    """

    kind: ServerPacket
    shape: Shape | None = None
    block: bytes = b""
    code: int = 0
    text: str = ""


class RawClient:
    """Speaks the protocol word by word, right or wrong."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self._reader = Reader(lambda: reader.read(1 << 20))
        self._frames: FrameSource | None = None

    @staticmethod
    @asynccontextmanager
    async def connect(port: int) -> AsyncIterator["RawClient"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield RawClient(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))

    def hello(self, *, revision: int = REVISION, user: str = "default", password: str = "") -> None:
        self.send(varint(0), string("raw"), varint(1), varint(1), varint(revision))
        self.send(string("default"), string(user), string(password))

    def query(self, sql: str, *, packed: Method | None = None, stage: int = 2) -> None:
        """Send the query's own packet, without the empty block that ends external tables."""
        info = varint(1) + string("") * 3 + b"\x01" + string("") * 3 + varint(0) * 3
        info += string("") + varint(0)
        self.send(varint(1), string(""), info, string(""))
        self.send(varint(stage), varint(packed is not None), string(sql))
        self._frames = None if packed is None else FrameSource(self._reader)

    def block(self, block: bytes, *, packed: Method | None = None, name: str = "") -> None:
        body = BLOCK_INFO + block
        self.send(varint(2), string(name), body if packed is None else compress(body, packed))

    def end(self, *, packed: Method | None = None) -> None:
        """Send the empty block that ends what was being sent."""
        self.block(b"\0\0", packed=packed)

    def cancel(self) -> None:
        self.send(varint(3))

    def ping(self) -> None:
        self.send(varint(4))

    async def packet(self) -> Packet:
        """Wait for what the server says next; `EOFError` when it says no more."""
        kind = ServerPacket(await self._reader.varint())
        match kind:
            case ServerPacket.HELLO:
                await self._reader.string()
                for _ in range(3):
                    await self._reader.varint()
                text = await self._reader.string()
                await self._reader.string()
                await self._reader.varint()
                return Packet(kind=kind, text=text)
            case ServerPacket.DATA:
                return await self._block(kind)
            case ServerPacket.EXCEPTION:
                (code,) = struct.unpack("<i", await self._reader.take(4))
                texts = [await self._reader.string() for _ in range(3)]
                assert await self._reader.byte() == 0
                return Packet(kind=kind, code=code, text=texts[1])
            case _:
                return Packet(kind=kind)

    async def log_in(self) -> None:
        self.hello()
        assert (await self.packet()).kind is ServerPacket.HELLO

    async def last_packet(self) -> Packet:
        """Pass over all data to what ends the query."""
        while (packet := await self.packet()).kind is ServerPacket.DATA:
            pass
        return packet

    @property
    def method(self) -> Method | None:
        return self._frames.method if self._frames else None

    async def _block(self, kind: ServerPacket) -> Packet:
        await self._reader.string()
        blocks = Reader(self._frames.read) if self._frames else self._reader
        await pass_block_info(blocks)
        parts: list[bytes] = []
        shape = await pass_block(blocks, parts.append)
        return Packet(kind=kind, shape=shape, block=b"".join(parts))


def _read_ready_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_S)
    return process.stdout.readline() if readable else ""


@pytest.fixture(scope="session")
def launch(tmp_path_factory) -> Iterator[Callable[..., RunningServer]]:
    """Starts servers; those still running at the end are stopped."""
    started: list[RunningServer] = []

    def start(*flags: str, data: Path | None = None, password: str = "") -> RunningServer:
        folder = tmp_path_factory.mktemp("server")
        data = data or folder / "data"
        if password:
            (folder / "password").write_text(f"{password}\n")
            flags += ("--password-file", str(folder / "password"))
        command = [sys.executable, "-m", "chdb_server", "--data", str(data), "--port", "0"]
        stderr = folder / "stderr"
        with stderr.open("w") as errors:
            process = subprocess.Popen(
                [*command, *flags], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        line = _read_ready_line(process)
        assert "ready on" in line, (line, stderr.read_text())
        port = int(line.split("ready on ")[1].split()[0].rpartition(":")[2])
        server = RunningServer(process, data, stderr, line, port, password)
        started.append(server)
        return server

    yield start
    for server in started:
        server.end()
        if server.process.stdout is not None:
            server.process.stdout.close()


@pytest.fixture(scope="session")
def server(launch) -> RunningServer:
    """One server for all tests that leave it as they found it."""
    return launch("--max-insert-mib", "8", "--max-memory-mib", "512")


@pytest.fixture(scope="session")
def database_names() -> Iterator[str]:
    return (f"test_{number}" for number in count(1))


@pytest.fixture
def database(server, database_names) -> str:
    """An empty database of the test's own."""
    name = next(database_names)
    asyncio.run(server.rows(f"CREATE DATABASE {name}"))
    return name


@pytest.fixture(scope="session")
def engine_directory(tmp_path_factory) -> Path:
    """The only store that this process opens: chDB knows one path a process."""
    return tmp_path_factory.mktemp("engine")


@pytest.fixture
def open_engine(engine_directory):
    """Opens the engine in this process."""

    def open_it():
        return ChdbEngine.open(engine_directory, max_memory_bytes=MEMORY_BYTES)

    return open_it


@pytest.fixture
def until():
    """Waits for a condition, with a deadline."""

    async def wait(condition) -> None:
        async with asyncio.timeout(TEST_S / 2):
            while not await condition():  # noqa: ASYNC110 - it holds in another process
                await asyncio.sleep(0.02)

    return wait


@pytest.fixture
def raw_client() -> type[RawClient]:
    """For tests with a server of their own making."""
    return RawClient


@pytest.fixture(scope="session")
def clickhouse_client() -> str:
    """Debian's client; where it is asked for, its absence is a failure."""
    found = shutil.which("clickhouse-client")
    if found is None:
        reason = "clickhouse-client is not installed (Debian: apt-get install clickhouse-client)"
        if "clickhouse-client" in os.environ.get("UGC_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    return found
