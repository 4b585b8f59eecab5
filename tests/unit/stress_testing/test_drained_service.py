"""What a service owes when it is stopped under load is counted from its clients' side."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from chaos.programs import Program, free_port
from harness.api_requests import Shape, requests
from harness.api_stage import Service
from harness.drained_service import CLIENTS, Drain, drained

from ugc_core.settings import LogSection

SCRIPT = """
import asyncio, signal, sys

ID = b"0198f1a0-0000-7000-8000-000000000000"
BODY = b'{"event_id":"' + ID + b'"}'
ANSWER = b"HTTP/1.1 202 Accepted\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(BODY) + BODY


async def main(port, in_order):
    stopping, clients = asyncio.Event(), set()

    async def client(reader, writer):
        clients.add(asyncio.current_task())
        try:
            while True:
                head = await reader.readuntil(b"\\r\\n\\r\\n")
                length = int(head.partition(b"Content-Length: ")[2].partition(b"\\r\\n")[0])
                await reader.readexactly(length)
                if not stopping.is_set():
                    writer.write(ANSWER)
                    continue
                if in_order:
                    close = b"\\r\\nConnection: close\\r\\n"
                    writer.write(ANSWER.replace(b"\\r\\n", close, 1))
                break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", port)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    print("ready", flush=True)
    await stopping.wait()
    server.close()
    await asyncio.wait(clients)

asyncio.run(main(int(sys.argv[1]), sys.argv[2] == "in_order"))
"""


@asynccontextmanager
async def service(folder: Path, how: str) -> AsyncIterator[Service]:
    script, port = folder / "service.py", free_port()
    script.write_text(SCRIPT, "utf-8")
    command = [sys.executable, str(script), str(port), how]
    program = Program(command, output=folder / "service", environment={}, ready="ready")
    await program.start()
    try:
        yield Service(url=f"http://127.0.0.1:{port}", program=program, log=LogSection())
    finally:
        await asyncio.to_thread(program.put_away)


async def stopped(folder: Path, how: str) -> Drain:
    made = [*requests(Shape(users=20, each=1000))]
    async with service(folder, how) as one:
        return await drained(one, made, load_s=0.05, within_s=10)


async def test_a_service_that_answers_what_it_has_read_leaves_nothing_unanswered(tmp_path):
    found = await stopped(tmp_path, "in_order")

    assert (found.unanswered_before, found.refused, found.exit_code) == (0, 0, 0)
    assert len(found.acknowledged) == found.answered >= CLIENTS


async def test_requests_that_a_service_lets_drop_are_counted(tmp_path):
    found = await stopped(tmp_path, "at_once")

    assert found.unanswered_before + found.unanswered_after >= CLIENTS / 2
