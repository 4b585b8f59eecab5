"""What senders take an answer to mean: only a 202 is kept, only a refusal is final."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chaos.journal import Journal, Outcome
from chaos.players import Players
from chaos.programs import until
from chaos.traffic import Pace, Traffic

from ugc_core.api_settings import AuthSection
from ugc_core.settings import Settings

CUT = 0
PACE = Pace(senders=1, users=1, batch=1, rate=100)
SETTINGS = Settings(auth=AuthSection(secret="0123456789abcdef0123456789abcdef"))


@dataclass
class FakeApi:
    """Answers requests with statuses in turn, then with 202; 0 cuts the connection."""

    statuses: Sequence[int]
    api: str = ""
    settings: Settings = SETTINGS
    bodies: list[bytes] = field(default_factory=list)

    def services(self):
        return {}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            self.api = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.bodies.append(await reader.readexactly(length))
        turn = len(self.bodies) - 1
        status = self.statuses[turn] if turn < len(self.statuses) else 202
        if status != CUT:
            answer = f"HTTP/1.1 {status} x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
            writer.write(answer.encode())
        writer.close()
        await writer.wait_closed()


async def sent(*statuses: int) -> tuple[FakeApi, Traffic]:
    """Send until every status was answered, and every outcome is known."""
    fake, players = FakeApi(statuses), Players(1, users=1, now_ms=1_767_225_600_000)
    async with fake.listening():
        traffic = Traffic(system=fake, journal=Journal(), players=players, pace=PACE)
        async with traffic.flowing():
            await until(lambda: len(fake.bodies) >= len(statuses), "all answers are given")
    return fake, traffic


async def test_what_was_answered_with_an_error_or_not_at_all_is_sent_again_until_it_is_kept():
    for status in (503, 500, 429, 408, CUT):
        fake, traffic = await sent(status)

        (first,) = traffic.journal.unknowns
        assert fake.bodies.count(fake.bodies[0]) == 2
        assert traffic.journal.outcomes[first] is Outcome.OK
        assert set(traffic.journal.outcomes.values()) == {Outcome.OK}


async def test_what_was_refused_is_never_sent_again():
    fake, traffic = await sent(422, 202)

    assert [*traffic.journal.outcomes.values()].count(Outcome.FAILED) == 1
    assert fake.bodies.count(fake.bodies[0]) == 1
    assert traffic.refusals == ["422 {}"]


async def test_a_cut_connection_counts_as_a_request_that_was_under_way():
    _, traffic = await sent(CUT)

    assert traffic.cut == 1
