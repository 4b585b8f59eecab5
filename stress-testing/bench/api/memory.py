"""Memory of one process over millions of single reports, as fast as they are answered."""

import asyncio
import time
from statistics import median

import httpx
from harness import wrk
from harness.api_requests import Shape, requests, write
from harness.api_stage import Service, Stage
from harness.cores import AROUND
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from bench.api.ways import CONNECTIONS, OURS, USERS, LostError, running
from ugc_core.telemetry import API_EVENTS

_LOOK_EVERY_S = 1.0
_CHUNK_S = 20.0
_CALL_S = 10.0


class Sample(Struct, frozen=True, kw_only=True):
    """One look.

    Attributes:
        accepted: Reports accepted until then.
        resident_mib: Memory of the process, in MiB.
    """

    accepted: int
    resident_mib: float


async def measure(stage: Stage, *, reports: int) -> dict[str, object]:
    """Send until so many are accepted, and look at the memory once a second.

    Args:
        stage: Where.
        reports: How many.
    """
    made = write(stage.folder / "singles", requests(Shape(users=USERS)))
    began = time.perf_counter()
    async with running(stage, OURS) as service, httpx.AsyncClient(timeout=_CALL_S) as client:
        idle = await sample(service, client)
        samples: list[Sample] = []
        while not samples or samples[-1].accepted < reports:
            pressing = asyncio.create_task(
                asyncio.to_thread(
                    wrk.run,
                    service.url,
                    made,
                    seconds=min(_CHUNK_S, max(1.0, reports / 10_000)),
                    connections=CONNECTIONS,
                    core=AROUND,
                )
            )
            while not pressing.done() and (not samples or samples[-1].accepted < reports):
                await asyncio.wait({pressing}, timeout=_LOOK_EVERY_S)
                samples.append(await sample(service, client))
            run = await pressing
            if run.refused or run.broken:
                msg = f"requests failed: {run}"
                raise LostError(msg)
    taken = time.perf_counter() - began
    return {"reports": samples[-1].accepted, "seconds": round(taken), **growth(idle, samples)}


def growth(idle: Sample, samples: list[Sample]) -> dict[str, object]:
    """Return memory in the course of the run."""
    early, late = tenth(samples, 1), tenth(samples, 9)
    return {
        "resident_mib_idle": idle.resident_mib,
        "resident_mib_second_tenth": early,
        "resident_mib_last_tenth": late,
        "resident_mib_most": max(one.resident_mib for one in samples),
        "growth": round(late / early, 3),
        "series": [[one.accepted, one.resident_mib] for one in samples],
    }


def tenth(samples: list[Sample], number: int) -> float:
    """Return the median in one tenth of the run, from 0, by reports accepted."""
    most = samples[-1].accepted
    chosen = [
        one.resident_mib for one in samples if number <= 10 * one.accepted / most <= number + 1
    ]
    return median(chosen or [samples[-1].resident_mib])


async def sample(service: Service, client: httpx.AsyncClient) -> Sample:
    """Look at a service, by its own count of accepted reports."""
    answer = await client.get(f"{service.url}/metrics")
    accepted = sum(
        found.value
        for family in text_string_to_metric_families(answer.text)
        for found in family.samples
        if found.name == API_EVENTS and found.labels["outcome"] == "accepted"
    )
    return Sample(accepted=round(accepted), resident_mib=service.resident_mib())
