"""A service that stands still is blamed for every request that was due meanwhile."""

import asyncio
from pathlib import Path

from harness.api_requests import Shape, read, requests, write
from harness.crowd import Crowd, Outcome, Plan

ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
REFUSAL = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
STILL_S = 0.2


class Standing:
    """Answers its first request late, and refuses and closes where it is told to."""

    def __init__(self, *, refuses: int = 0) -> None:
        self.got = 0
        self._refuses = refuses

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                self.got += 1
                number = self.got
                if number == 1:
                    await asyncio.sleep(STILL_S)
                refused = number <= self._refuses
                writer.write(REFUSAL if refused else ANSWER)
                if refused:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def offered(service: Standing, plan: Plan, folder: Path) -> Outcome:
    made = read(write(folder / "made", requests(Shape(users=2, each=1))))
    async with await asyncio.start_server(service, "127.0.0.1") as server:
        crowd = Crowd("127.0.0.1", server.sockets[0].getsockname()[1], plan, made)
        return await crowd.run()


async def test_waiting_for_a_connection_is_part_of_the_answer_time(tmp_path):
    found = await offered(Standing(), Plan(rate=100, seconds=0.3, connections=1), tmp_path)

    took = found.answers[202]
    assert (found.due, took.count, found.unsent, found.unanswered) == (30, 30, 0, 0)
    assert took.max_ms >= STILL_S * 1000
    assert took.p50_ms >= STILL_S * 1000 / 4  # of 30 requests 20 were due while it stood still
    assert found.service[202].p50_ms < took.p50_ms


async def test_what_waits_for_longer_than_players_do_is_not_sent(tmp_path):
    plan = Plan(rate=100, seconds=0.3, connections=1, patience_s=0.05)
    service = Standing()

    found = await offered(service, plan, tmp_path)

    assert found.unsent >= 10
    assert found.answers[202].count == service.got == found.due - found.unsent


async def test_refusals_are_counted_apart_and_their_connections_replaced(tmp_path):
    plan = Plan(rate=100, seconds=0.3, connections=2)

    found = await offered(Standing(refuses=5), plan, tmp_path)

    assert found.answers[503].count == 5
    assert found.answers[202].count == 25
    assert (found.broken, found.unanswered) == (0, 0)
