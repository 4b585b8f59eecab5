"""Answers at half of the most that it takes, at a fixed rate, from the moment they were due."""

import msgspec
from harness.api_requests import Shape, requests, write
from harness.api_stage import Stage
from harness.cores import AROUND
from harness.crowd import Outcome, Plan
from harness.open_loop import offer

from bench.api.ways import OURS, USERS, look, running

SHARE = 0.5


async def measure(stage: Stage, *, seconds: float, rounds: int) -> dict[str, object]:
    """Find the most in a closed loop, then offer a part of it.

    Args:
        stage: Where.
        seconds: How long each takes in a round.
        rounds: How often the part is offered.
    """
    made = write(stage.folder / "singles", requests(Shape(users=USERS)))
    outcomes: list[Outcome] = []
    async with running(stage, OURS) as service:
        most = (await look(service, made, seconds=seconds)).run.per_s
        for _ in range(rounds):
            plan = Plan(rate=round(most * SHARE), seconds=seconds)
            outcomes.append(await offer(service.url, made, plan, core=AROUND))
            print(outcomes[-1], flush=True)
    return {
        "most_per_s": round(most),
        "share": SHARE,
        "offered_per_s": round(most * SHARE),
        "seconds": seconds,
        "errors": sum(one.due - accepted(one) for one in outcomes),
        **middle(outcomes),
        "rounds": msgspec.to_builtins(outcomes, str_keys=True),
    }


def accepted(outcome: Outcome) -> int:
    """Return how many requests were answered 202."""
    return outcome.answers[202].count if 202 in outcome.answers else 0


def middle(outcomes: list[Outcome]) -> dict[str, float]:
    """Return the answers of the round in the middle, by its 99th percentile."""
    ordered = sorted((one.answers[202] for one in outcomes), key=lambda one: one.p99_ms)
    chosen = ordered[len(ordered) // 2]
    return {name: getattr(chosen, name) for name in ("p50_ms", "p99_ms", "p999_ms", "max_ms")}
