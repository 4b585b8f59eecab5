"""The service as a process: what it acknowledged is in the log, however it ends."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from pathlib import Path
from uuid import UUID

import httpx
import psutil
import pytest

from tests.integration.api_logs import stored
from tests.integration.api_processes import (
    FILM,
    MANY,
    ONE,
    PATIENCE_S,
    SECRET,
    ApiProcess,
    answers,
    bearer,
    connection,
    free_port,
    head,
    holding_the_log,
    report,
    stops_listening,
    takes_connections,
)

ENOUGH = 300
"""Reports that a test wants acknowledged before it ends the service."""


async def test_an_accepted_report_can_be_read_by_another_program(tmp_path, log):
    with ApiProcess(tmp_path).running() as service:
        async with service.client() as client:
            answer = await client.post(ONE, json=report())
            (event,) = await stored(log)

    assert answer.status_code == 202
    assert answer.json()["event_id"] == str(event.event_id)
    assert event.user_id == UUID(int=5)
    assert "server" not in answer.headers


class Load:
    """Clients that report as fast as they are answered, and a journal of what became of it."""

    def __init__(self, service: ApiProcess, *, clients: int = 8) -> None:
        self.service = service
        self.clients = clients
        self.attempted: set[str] = set()
        self.acknowledged: set[str] = set()
        self.refused: list[int] = []
        self.enough = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self):
        tasks = [asyncio.create_task(self._client(number)) for number in range(self.clients)]
        try:
            yield self
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _client(self, number: int) -> None:
        """Send single reports and small batches, until nobody answers any more."""
        async with self.service.client() as client:
            client.headers.update(bearer(number + 1))
            while True:
                reports = [report() | {"film_id": str(FILM)} for _ in range(1 + number % 3)]
                ids = {str(found["event_id"]) for found in reports}
                self.attempted |= ids
                try:
                    if len(reports) == 1:
                        answer = await client.post(ONE, json=reports[0])
                    else:
                        answer = await client.post(MANY, json=reports)
                except httpx.TransportError:
                    return  # unknown: it may be kept or not
                if answer.status_code == 202:
                    self.acknowledged |= ids
                    if len(self.acknowledged) >= ENOUGH:
                        self.enough.set()
                else:
                    self.refused.append(answer.status_code)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -signal.SIGKILL)],
    ids=["SIGTERM", "SIGINT", "SIGKILL"],
)
async def test_whatever_ends_it_under_load_everything_acknowledged_is_kept_once(
    tmp_path, log, number, code
):
    with ApiProcess(tmp_path).running() as service:
        async with Load(service).running() as load:
            async with asyncio.timeout(PATIENCE_S):
                await load.enough.wait()
            service.process.send_signal(number)
        assert service.end() == code

    ids = [str(event.event_id) for event in await stored(log)]
    assert load.acknowledged - set(ids) == set()
    assert set(ids) - load.attempted == set()
    assert len(ids) == len(set(ids))
    assert load.refused == []


async def test_after_a_kill_the_next_start_takes_reports_again(tmp_path, log):
    service = ApiProcess(tmp_path)
    for round_number in range(1, 4):
        with service.running():
            async with service.client() as client:
                answers = [await client.post(ONE, json=report()) for _ in range(3)]
            service.process.kill()
        assert {answer.status_code for answer in answers} == {202}
        assert len(await stored(log)) == 3 * round_number


async def test_a_request_under_way_is_finished_after_sigterm(tmp_path, log):
    with ApiProcess(tmp_path).running() as service:
        body = json.dumps(report()).encode()
        with connection(service) as peer:
            peer.sendall(head(len(body)) + body[:10])
            await answers(service)  # so the first request has been read by now
            service.process.terminate()
            await stops_listening(service)
            peer.sendall(body[10:])
            status_line = peer.recv(100).split(b"\r\n")[0]
        assert service.end() == 0

    assert status_line == b"HTTP/1.1 202 Accepted"
    assert len(await stored(log)) == 1


async def test_a_client_that_never_ends_its_request_delays_the_end_only_so_long(tmp_path, log):
    with ApiProcess(tmp_path, UGC_API__DRAIN_S="1").running() as service:
        with connection(service) as peer:
            peer.sendall(head(100))
            await answers(service)
            started = time.monotonic()
            service.process.terminate()
            assert service.end() == 0
        assert time.monotonic() - started < 10


async def test_a_disk_that_takes_no_more_stops_the_process_and_keeps_what_it_acknowledged(
    tmp_path, log
):
    with ApiProcess(tmp_path).running() as service:
        async with service.client() as client:
            kept = [(await client.post(ONE, json=report())).json()["event_id"] for _ in range(5)]
            size = (tmp_path / "log.db-wal").stat().st_size
            limited = psutil.Process(service.process.pid)
            limited.rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))
            refused = await client.post(ONE, json=report())
            limited.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
        assert service.end() == 1

    assert refused.status_code == 503
    assert refused.json()["type"] == "/problems/stopping"
    lines = service.said().splitlines()
    assert len([line for line in lines if line.startswith("ugc-api: ")]) == 1
    assert "damaged or its disk fails" in service.said()
    assert "Traceback" not in service.said()
    assert [str(event.event_id) for event in await stored(log)] == kept


async def test_a_log_that_is_away_is_told_also_while_stderr_takes_no_line(tmp_path, log):
    service = ApiProcess(tmp_path, UGC_LOG__APPEND_TIMEOUT_S="0.5")
    service.errors = Path("/dev/full")
    with service.running():
        async with service.client() as client:
            with holding_the_log(tmp_path / "log.db"):
                answer = await client.post(ONE, json=report())
                ready = await client.get("/readyz")

    assert (answer.status_code, ready.status_code) == (503, 503)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/log-unavailable"


async def test_a_signal_ends_a_start_that_still_waits_for_the_log(tmp_path, log):
    port = free_port()
    service = ApiProcess(tmp_path, UGC_API__PORT=str(port), UGC_LOG__APPEND_TIMEOUT_S="2")
    with holding_the_log(tmp_path / "log.db"), service.running(port=port):
        await takes_connections(service)
        service.process.terminate()
        assert service.end() == 0

    assert service.said() == ""


BAD_SETTINGS = {
    "a misspelt name": ({"UGC_API__PROT": "80"}, 5, "UGC_API__PORT"),
    "a value that does not fit": ({"UGC_API__PORT": "many"}, 5, "api.port"),
    "a missing secret": ({"UGC_AUTH__SECRET_FILE": "nothing"}, 5, "secret_file"),
    "a short secret": ({"UGC_AUTH__SECRET_FILE": "short"}, 5, "UGC_AUTH__SECRET_FILE"),
    "an address of somebody else": ({"UGC_API__HOST": "203.0.113.9"}, 5, "UGC_API__HOST"),
    "a host without an address": ({"UGC_API__HOST": "no such host"}, 5, "UGC_API__HOST"),
    "a log of another kind": ({"UGC_LOG__URL": "redis://here"}, 5, "log.url"),
    "a warehouse of another kind": ({"UGC_WAREHOUSE__URL": "http://here"}, 5, "warehouse.url"),
    "a topic that is not there": ({"UGC_LOG__TOPIC": "none"}, 4, "ugc init"),
    "a log that is something else": ({"UGC_LOG__URL": "sqlite:///secret"}, 1, "damaged"),
}


@pytest.mark.parametrize(("settings", "code", "hint"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_a_start_that_cannot_work_says_so_in_one_line(tmp_path, log, settings, code, hint):
    (tmp_path / "short").write_text("too short")

    ended = ApiProcess(tmp_path, **settings).run()

    assert ended.returncode == code
    assert ended.stdout == ""
    assert ended.stderr.startswith("ugc-api: ")
    assert ended.stderr.count("\n") == 1
    assert hint in ended.stderr
    assert SECRET not in ended.stderr


def test_a_port_in_use_says_so_in_one_line(tmp_path, log):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        ended = ApiProcess(tmp_path, UGC_API__PORT=str(port)).run()

    assert ended.returncode == 5
    assert ended.stderr.count("\n") == 1
    assert f"port {port} of 127.0.0.1 is in use" in ended.stderr
    assert "UGC_API__PORT" in ended.stderr


def test_help_and_version_need_no_settings(tmp_path):
    service = ApiProcess(tmp_path, UGC_NONSENSE="1")

    assert "UGC_" in service.run("--help").stdout
    assert service.run("--version").stdout.startswith("ugc-api ")
    assert service.run("--nonsense").returncode == 2


async def test_the_module_is_the_same_program_and_its_lines_hold_no_secret(tmp_path, log):
    service = ApiProcess(
        tmp_path,
        UGC_LOGGING__LEVEL="debug",
        UGC_LOGGING__FORMAT="json",
        UGC_API__DOCS_PASSWORD="open sesame",
    )
    bad = "eyJhbGciOiJIUzI1NiJ9.e30.bad"
    with service.running([sys.executable, "-m", "ugc_api"]):
        async with service.client() as client:
            await client.post(ONE, json=report())
            await client.post(ONE, json=report(), headers={"Authorization": f"Bearer {bad}"})
            await client.post(ONE, content=b"{", headers={"Content-Type": "application/json"})
            await client.get("/api/docs", auth=("docs", "open sesame"))
            token = client.headers["authorization"].split()[1]
        service.process.terminate()
        assert service.end() == 0

    for secret in (SECRET, bad, token, "open sesame"):
        assert secret not in service.said()


async def test_another_asgi_server_can_run_it(tmp_path, log):
    port = free_port()
    service = ApiProcess(tmp_path)
    command = [sys.executable, "-m", "uvicorn", "ugc_api.asgi:app", "--port", str(port)]
    with service.running(command, port):
        await answers(service)
        async with service.client() as client:
            assert (await client.post(ONE, json=report())).status_code == 202

    assert len(await stored(log)) == 1
