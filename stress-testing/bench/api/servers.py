"""The same application on uvicorn and on granian: speed, memory, manners, and the end."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median
from uuid import UUID

import httpx
import msgspec
from chaos.programs import script, until_told
from harness import uncivil
from harness.api_log import ends, event_ids
from harness.api_requests import Shape, requests, token, write
from harness.api_stage import Service, Stage, told_api
from harness.drained_service import drained
from harness.kafka_pipeline import broker_version
from msgspec import Struct

from bench.api.ways import CONNECTIONS, USERS, Look, figures, look

GRANIAN = "granian==2.8.9"
_APP = "ugc_api.asgi:app"
_UVICORN = (
    *("--http", "httptools", "--loop", "uvloop", "--ws", "none", "--no-access-log"),
    *("--backlog", "2048", "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "10"),
)
_GRANIAN = (
    *("--interface", "asgi", "--workers", "1", "--http", "1", "--no-ws", "--loop", "uvloop"),
    *("--backlog", "2048", "--workers-kill-timeout", "10"),
    *("--http1-header-read-timeout", "10000"),
)
SERVERS: Mapping[str, tuple[list[str], str]] = {
    "ugc-api": ([script("ugc-api")], "ready on"),
    "uvicorn": ([sys.executable, "-m", "uvicorn", _APP, "--port", "{port}", *_UVICORN], ""),
    "granian": ([sys.executable, "-m", "granian", _APP, "--port", "{port}", *_GRANIAN], ""),
}
_CALL_S = 5.0
_INSTALL_S = 120.0
_BODY_TIMEOUT_S = "2"
_WAITED_S = 15.0
_DRAIN_LOAD_S = 1.0
_DRAIN_WITHIN_S = 30.0


class End(Struct, frozen=True, kw_only=True):
    """What a stop under load did; see `harness.drained_service.Drain`.

    Attributes:
        answered: Requests that were answered.
        refused: Answers that were not 202.
        unanswered_before: Requests sent before the signal, without an answer.
        unanswered_after: Requests sent after it, without an answer.
        lost: Reports that were answered 202 and are not in the log.
        exit_code: Of the process; None: it had to be killed.
        seconds: From the signal to its end.
    """

    answered: int
    refused: int
    unanswered_before: int
    unanswered_after: int
    lost: int
    exit_code: int | None
    seconds: float


class Trial(Struct, kw_only=True):
    """What one server did.

    Attributes:
        looks: Its speed, by rounds.
        resident_mib: Its memory after each of them.
        ends: How it stopped, by rounds.
        manners: What it does with senders without manners.
    """

    looks: list[Look] = []
    resident_mib: list[float] = []
    ends: list[End] = []
    manners: dict[str, str] = {}

    def figures(self) -> dict[str, object]:
        """Return all of it."""
        return {
            **figures(self.looks),
            "resident_mib": median(self.resident_mib),
            "ends": msgspec.to_builtins(self.ends),
            "manners": self.manners,
        }


async def measure(stage: Stage, *, seconds: float, rounds: int) -> dict[str, object]:
    """Measure each server in turns, then its end and its manners.

    Args:
        stage: Where.
        seconds: How long each is under load in a round.
        rounds: How often; each ends as often.
    """
    libraries = await asyncio.to_thread(_granian, stage.folder / "granian")
    made = write(stage.folder / "singles", requests(Shape(users=USERS)))
    rest = [*requests(Shape(each=20), first=1_000_000)]
    trials = {name: Trial() for name in SERVERS}
    for turn in range(rounds):
        for name, trial in trials.items():
            async with running(stage, name, libraries, turn) as service:
                trial.looks.append(await look(service, made, seconds=seconds))
                trial.resident_mib.append(service.resident_mib())
                trial.ends.append(await end(service, rest))
            print(f"{turn + 1}/{rounds} {name}: {trial.looks[-1]} {trial.ends[-1]}", flush=True)
    for name, trial in trials.items():
        async with running(stage, name, libraries, rounds) as service:
            trial.manners = await manners(service.url)
            print(name, trial.manners, flush=True)
    return {
        "granian": GRANIAN.partition("==")[2],
        "connections": CONNECTIONS,
        "seconds": seconds,
        "rounds": rounds,
        "broker": f"one broker, Kafka {broker_version()}, acks=all",
        "servers": {name: trial.figures() for name, trial in trials.items()},
    }


def _granian(folder: Path) -> Path:
    """Install granian beside our environment: nothing but this needs it."""
    install = ["uv", "pip", "install", "--quiet", "--target", str(folder), GRANIAN]
    subprocess.run(install, check=True, timeout=_INSTALL_S)
    return folder


@asynccontextmanager
async def running(stage: Stage, name: str, libraries: Path, turn: int) -> AsyncIterator[Service]:
    """Run the application on a server, until it answers, on a topic of its own."""
    command, ready = SERVERS[name]
    told = {**told_api(), "UGC_API__BODY_TIMEOUT_S": _BODY_TIMEOUT_S}
    told["PYTHONPATH"] = str(libraries)
    topic = f"{name}-{turn}"
    async with stage.service(topic, command, told, ready=ready) as service:
        async with httpx.AsyncClient(timeout=_CALL_S) as client:
            await until_told(partial(_lives, client, service), f"{name} answers")
        yield service


async def _lives(client: httpx.AsyncClient, service: Service) -> bool:
    try:
        return (await client.get(f"{service.url}/livez")).is_success
    except httpx.TransportError:
        return False


async def end(service: Service, made: Sequence[bytes]) -> End:
    """Stop a server under load; hold the answers 202 against the log."""
    before = await ends(service.log)
    found = await drained(service, made, load_s=_DRAIN_LOAD_S, within_s=_DRAIN_WITHIN_S)
    kept = await event_ids(service.log, before, await ends(service.log))
    return End(
        answered=found.answered,
        refused=found.refused,
        unanswered_before=found.unanswered_before,
        unanswered_after=found.unanswered_after,
        lost=len(set(found.acknowledged) - kept),
        exit_code=found.exit_code,
        seconds=found.seconds,
    )


async def manners(url: str) -> dict[str, str]:
    """Return what a server does with senders without manners, all of them at once."""
    senders: dict[str, uncivil.Says] = {
        "slow headers": uncivil.slow_headers,
        "slow body": partial(uncivil.slow_body, token=token(UUID(int=1))),
        "100 KiB of headers": uncivil.large_headers,
        "two lengths of one body": uncivil.two_lengths,
        "silence": uncivil.silence,
    }
    met = [uncivil.outcome(url, say, within_s=_WAITED_S) for say in senders.values()]
    return dict(zip(senders, await asyncio.gather(*met), strict=True))
