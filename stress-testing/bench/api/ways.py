"""The services that are compared, and one look at one of them under a closed loop."""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from chaos.programs import script
from harness import wrk
from harness.api_baselines import READY
from harness.api_log import ends, line_count
from harness.api_requests import Shape, requests, write
from harness.api_stage import Service, Stage, told_api
from harness.api_steps import STEPS
from harness.cores import AROUND
from harness.kafka_pipeline import broker_version
from msgspec import Struct

CONNECTIONS = 64
WARM_S = 1.0
USERS = 2_000
"""Tokens: each is sent every few hundred milliseconds, so all but the first time it is known."""
OURS = "ugc_api"
WAYS = (OURS, "noop", "noop_h11", "bare", "fastapi")
"""Ours and those of `harness.api_baselines`, in the order of their turns."""


class LostError(Exception):
    """Fewer reports are in the log than were answered 202, or something was refused."""


class Look(Struct, frozen=True, kw_only=True):
    """One run of wrk on one service.

    Attributes:
        run: What wrk says.
        cpu_s: CPU of the service.
        kept: Reports that the log has of it.
        batch: Reports in a request.
    """

    run: wrk.Run
    cpu_s: float
    kept: int
    batch: int = 1

    @property
    def us_a_request(self) -> float:
        """CPU of the service for each request, in microseconds."""
        return self.cpu_s / self.run.requests * 1e6


@asynccontextmanager
async def running(stage: Stage, way: str, *, turn: int = 0) -> AsyncIterator[Service]:
    """Run one of the services on a topic of its own."""
    if way == OURS:
        opening = stage.service(f"{way}-{turn}", [script("ugc-api")], told_api(), ready=READY)
    elif way in STEPS:
        command = [sys.executable, "-m", "harness.api_steps", way]
        opening = stage.service(f"{way}-{turn}", command, told_api(), ready=READY)
    else:
        kind, _, http = way.partition("_")
        command = [sys.executable, "-m", "harness.api_baselines", kind, "--port", "{port}"]
        command += ["--http", http or "httptools", "--servers", "{servers}", "--topic", "{topic}"]
        opening = stage.service(f"{way}-{turn}", command, {}, ready=READY)
    async with opening as service:
        yield service


async def in_turns(
    stage: Stage, ways: Sequence[str], *, seconds: float, rounds: int, keeping: Collection[str]
) -> dict[str, list[Look]]:
    """Look at every service, one after the other, and at all of them again.

    Args:
        stage: Where.
        ways: Which services.
        seconds: How long each is under load in a round.
        rounds: How often.
        keeping: Those that keep reports.
    """
    made = write(stage.folder / "singles", requests(Shape(users=USERS)))
    looks: dict[str, list[Look]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way in ways:
            async with running(stage, way, turn=turn) as service:
                found = await look(service, made, seconds=seconds, keeps=way in keeping)
            looks[way].append(found)
            told = f"{found.run.per_s:,.0f}/s, {found.us_a_request:.1f} us"
            print(f"{turn + 1}/{rounds} {way}: {told}", flush=True)
    return looks


def report(looks: Mapping[str, list[Look]], *, seconds: float, rounds: int) -> dict[str, object]:
    """Return how they were looked at, and the figures of each."""
    return {
        "connections": CONNECTIONS,
        "seconds": seconds,
        "rounds": rounds,
        "broker": f"one broker, Kafka {broker_version()}, acks=all",
        "ways": {way: figures(found) for way, found in looks.items()},
    }


async def look(
    service: Service,
    made: Path,
    *,
    seconds: float,
    batch: int = 1,
    users: int = USERS,
    keeps: bool = True,
) -> Look:
    """Send for some seconds on 64 connections, and compare with what the log has.

    Args:
        service: Whom to.
        made: What.
        seconds: For how long.
        batch: Reports in a request.
        users: Whose; it is warmed up until it knows all of their tokens.
        keeps: Whether it is a service that keeps reports.

    Raises:
        LostError: A request failed, or was answered 202 and is not in the log.
    """
    warm = 0
    while warm < users:
        warm += (await _press(service, made, WARM_S)).requests
    before, used = await ends(service.log), service.cpu_s()
    run = await _press(service, made, seconds)
    used = service.cpu_s() - used
    kept = await line_count(service.log, before, await ends(service.log)) if keeps else 0
    if run.refused or run.broken or run.timeouts:
        msg = f"{service.log.topic}: {run}"
        raise LostError(msg)
    # Those that were under way when wrk hung up may be there, too.
    least, most = run.requests * batch, (run.requests + CONNECTIONS) * batch
    if keeps and not least <= kept <= most:
        msg = f"{least} reports were answered 202, the log has {kept}"
        raise LostError(msg)
    return Look(run=run, cpu_s=used, kept=kept, batch=batch)


async def _press(service: Service, made: Path, seconds: float) -> wrk.Run:
    return await asyncio.to_thread(
        wrk.run,
        service.url,
        made,
        seconds=seconds,
        connections=CONNECTIONS,
        core=AROUND,
    )


def figures(looks: list[Look]) -> dict[str, object]:
    """Return the medians of some rounds, and the rounds."""
    rates = [one.run.per_s * one.batch for one in looks]
    costs = [one.us_a_request for one in looks]
    return {
        "per_s": round(median(rates)),
        "per_s_rounds": [round(rate) for rate in rates],
        "cpu_us_a_request": round(median(costs), 1),
        "cpu_us_a_request_rounds": [round(cost, 1) for cost in costs],
        "p50_ms": median(one.run.p50_ms for one in looks),
        "p99_ms": median(one.run.p99_ms for one in looks),
        "requests": sum(one.run.requests for one in looks),
        "kept": sum(one.kept for one in looks),
    }
