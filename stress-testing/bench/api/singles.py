"""Single reports, each acknowledged by Kafka, beside less and beside the plain way; in turns."""

from collections.abc import Mapping
from statistics import median

from harness.api_stage import Stage

from bench.api.ways import OURS, WAYS, Look, in_turns, report

KEEPING = (OURS, "bare", "fastapi")


async def measure(stage: Stage, *, seconds: float, rounds: int) -> dict[str, object]:
    """Measure every way, one after the other, and all of them again.

    Args:
        stage: Where.
        seconds: How long each is under load in a round.
        rounds: How often.
    """
    looks = await in_turns(stage, WAYS, seconds=seconds, rounds=rounds, keeping=KEEPING)
    return {**report(looks, seconds=seconds, rounds=rounds), **ratios(looks)}


def ratios(looks: Mapping[str, list[Look]]) -> dict[str, object]:
    """Return how many times as much ugc-api does as each other way, and costs; by rounds."""
    beside = {}
    for way in looks:
        if way != OURS:
            pairs = list(zip(looks[OURS], looks[way], strict=True))
            speed = [ours.run.per_s / other.run.per_s for ours, other in pairs]
            cost = [ours.us_a_request / other.us_a_request for ours, other in pairs]
            beside[way] = {
                "per_s": round(median(speed), 2),
                "per_s_rounds": [round(one, 2) for one in speed],
                "cpu": round(median(cost), 2),
                "cpu_rounds": [round(one, 2) for one in cost],
            }
    return {"ours_to": beside}
