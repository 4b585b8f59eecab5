"""Ten times as many requests as it can answer: what is accepted, and how quickly the rest hears."""

import msgspec
from harness.api_log import ends, line_count
from harness.api_requests import Shape, requests, write
from harness.api_stage import Stage
from harness.cores import AROUND
from harness.crowd import Outcome, Plan
from harness.open_loop import offer

from bench.api.open_loop import accepted
from bench.api.ways import OURS, USERS, LostError, look, running

TIMES = 10
CONNECTIONS = 6_000
"""More than the requests that the service has under way at once, fewer than the connections that
it takes; players beyond them find none."""
PATIENCE_S = 1.0


async def measure(stage: Stage, *, seconds: float, rounds: int) -> dict[str, object]:
    """Find the most in a closed loop, then offer ten times as many, and find the most again.

    The most is found before each round and after it, as this machine's speed is not the same for
    a minute: what a round accepted is compared with what stood on both its sides.

    Args:
        stage: Where.
        seconds: How long each takes in a round.
        rounds: How often.

    Raises:
        LostError: The log has fewer reports than were answered 202.
    """
    made = write(stage.folder / "singles", requests(Shape(users=USERS)))
    found: list[dict[str, object]] = []
    async with running(stage, OURS) as service:
        most = (await look(service, made, seconds=seconds)).run.per_s
        for _ in range(rounds):
            began = most
            before = await ends(service.log)
            plan = Plan(
                rate=round(most * TIMES),
                seconds=seconds,
                connections=CONNECTIONS,
                patience_s=PATIENCE_S,
            )
            outcome = await offer(service.url, made, plan, core=AROUND)
            kept = await line_count(service.log, before, await ends(service.log))
            if kept < accepted(outcome):
                msg = f"{accepted(outcome)} reports were answered 202, the log has {kept}"
                raise LostError(msg)
            most = (await look(service, made, seconds=seconds)).run.per_s
            found.append(figures(outcome, offered=plan.rate, before=began, after=most))
            print(found[-1], flush=True)
        resident = service.resident_mib()
    return {
        "times": TIMES,
        "connections": CONNECTIONS,
        "patience_s": PATIENCE_S,
        "seconds": seconds,
        "rounds": found,
        "resident_mib_afterwards": resident,
    }


def figures(outcome: Outcome, *, offered: float, before: float, after: float) -> dict[str, object]:
    """Return what became of the requests of a round.

    Args:
        outcome: The round.
        offered: Requests a second.
        before: The most a second, before it.
        after: And after it.
    """
    most = (before + after) / 2
    refused = {
        status: msgspec.to_builtins(took)
        for status, took in outcome.service.items()
        if status != 202
    }
    return {
        "most_per_s": round(before),
        "offered_per_s": round(offered),
        "afterwards_per_s": round(after),
        "accepted_per_s": round(accepted(outcome) / outcome.seconds),
        "accepted_to_most": round(accepted(outcome) / outcome.seconds / most, 2),
        "accepted_ms": msgspec.to_builtins(outcome.answers.get(202)),
        "refused": {str(status): took for status, took in refused.items()},
        "refused_per_s": round(sum(one["count"] for one in refused.values()) / outcome.seconds),
        "unsent": outcome.unsent,
        "broken": outcome.broken,
        "unanswered": outcome.unanswered,
    }
