"""A running `ugc-api`, its clients, and the bytes that a client sends by hand."""

import asyncio
import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import apsw
import httpx
import jwt

from ugc_core.uuid7 import make_uuid7

SCRIPT = Path(sys.executable).with_name("ugc-api")
SECRET = "0123456789abcdef0123456789abcdef"
FILM = UUID("0b39f7d6-66fd-4c09-9c7a-2f1f2a3d8f51")
ONE = f"/api/v1/progresses/films/{FILM}/"
MANY = "/api/v1/progresses/"
PATIENCE_S = 30


class ApiProcess:
    """A running `ugc-api`, its address and its files; `errors` is where its stderr goes."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.errors = folder / "stderr"
        self.environ = {
            "PATH": os.environ["PATH"],
            "UGC_API__PORT": "0",
            "UGC_LOG__URL": "sqlite:///log.db",
            "UGC_AUTH__SECRET_FILE": "secret",
            **settings,
        }
        for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
            if name in os.environ:
                self.environ[name] = os.environ[name]
        (folder / "secret").write_text(SECRET)

    @contextlib.contextmanager
    def running(self, command=(SCRIPT,), port: int | None = None):
        """Run it until the block ends; a `port` stands for the line that says it is ready."""
        with self.errors.open("wb") as stderr:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, stderr=stderr
            )
        self.process = process
        try:
            self.url = f"http://127.0.0.1:{port}" if port else self._ready()
            yield self
        finally:
            process.kill()
            process.communicate()

    def _ready(self) -> str:
        stdout = self.process.stdout
        assert stdout is not None
        readable, _, _ = select.select([stdout], [], [], PATIENCE_S)
        line = stdout.readline().decode() if readable else ""
        assert line.startswith("ugc-api ready on http://"), self.said()
        return line.split()[-1]

    def end(self) -> int:
        return self.process.wait(timeout=PATIENCE_S)

    def said(self) -> str:
        return self.errors.read_text() if self.errors.is_file() else ""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a start that fails, to its end."""
        return subprocess.run(
            [SCRIPT, *arguments],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=bearer(), timeout=PATIENCE_S)


def bearer(user: int = 5) -> dict[str, str]:
    claims = {"sub": str(UUID(int=user)), "exp": time.time() + 3600}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}


def report() -> dict[str, object]:
    at_ms = time.time_ns() // 1_000_000
    return {"event_id": str(make_uuid7(at_ms)), "progress": 120, "total": 5400}


def head(length: int) -> bytes:
    lines = [
        f"POST {ONE} HTTP/1.1",
        "Host: test",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        f"Authorization: {bearer()['Authorization']}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.contextmanager
def connection(service: ApiProcess):
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as peer:
        yield peer


async def answers(service: ApiProcess) -> None:
    """Wait until the service answers somebody."""
    async with asyncio.timeout(PATIENCE_S), service.client() as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                await client.get("/livez")
                return
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def holding_the_log(path: Path):
    """Let nobody else write to the file."""
    holder = apsw.Connection(str(path))
    try:
        holder.execute("BEGIN IMMEDIATE")
        yield
    finally:
        holder.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


async def takes_connections(service: ApiProcess) -> None:
    """Wait until the port is open, though nobody may answer yet."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with contextlib.suppress(ConnectionRefusedError), connection(service):
                return
            await asyncio.sleep(0.02)


async def stops_listening(service: ApiProcess) -> None:
    """Wait until no new connection is taken."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                with connection(service):
                    pass
            except ConnectionRefusedError:
                return
            await asyncio.sleep(0.02)
