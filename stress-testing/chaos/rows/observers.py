"""What collects traces and errors is dead: row 30."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chaos.programs import free_port
from chaos.systems import running_up
from chaos.trial import Stage, Verdict, trial

_KEPT = 202


@dataclass
class _BlackHole:
    url: str = ""
    taken: int = 0


async def observers_dead(stage: Stage) -> Verdict:
    """Row 30: each request is traced to a server that never answers; errors go to a closed port."""
    async with _black_hole() as hole:
        environment = {
            "UGC_TELEMETRY__OTLP_ENDPOINT": hole.url,
            "UGC_TELEMETRY__SENTRY_DSN": f"http://key@127.0.0.1:{free_port()}/1",
            "UGC_TELEMETRY__TRACE_RATIO": "1",
            **stage.environment,
        }
        async with running_up(stage.folder, environment) as up:
            async with trial(stage, up) as run:
                await run.share(of=2)
                async with run.fault():
                    await run.share(of=2)
            others = run.traffic.statuses.keys() - {_KEPT}
            run.expect(that=not others, what=f"players were answered {others}")
            run.expect(that=hole.taken > 0, what="nobody has sent a trace")
            run.facts["connections"] = hole.taken
            return await run.verdict()


@asynccontextmanager
async def _black_hole() -> AsyncIterator[_BlackHole]:
    """Take connections and what is sent, and never answer."""
    hole = _BlackHole()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hole.taken += 1
        try:
            while await reader.read(65_536):
                pass
        finally:
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    hole.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield hole
    finally:
        server.close()
