"""What each part of ugc-api's work on a single report costs: it is left out, step by step."""

from harness.api_stage import Stage
from harness.api_steps import STEPS

from bench.api.ways import OURS, in_turns, report


async def measure(stage: Stage, *, seconds: float, rounds: int) -> dict[str, object]:
    """Measure the no-op, every step, and the whole service, and all of them again.

    Args:
        stage: Where.
        seconds: How long each is under load in a round.
        rounds: How often.
    """
    ways = ("noop", *STEPS, OURS)
    looks = await in_turns(stage, ways, seconds=seconds, rounds=rounds, keeping=(OURS,))
    return report(looks, seconds=seconds, rounds=rounds)
