"""Single reports, each acknowledged by Kafka, beside less and beside the plain way; in turns."""

from collections.abc import Mapping
from statistics import median

from harness.api_requests import Shape, requests, write
from harness.api_stage import Stage
from harness.kafka_pipeline import broker_version

from bench.api.ways import CONNECTIONS, OURS, USERS, WAYS, Look, figures, look, running

KEEPING = (OURS, "bare", "fastapi")


async def measure(stage: Stage, *, seconds: float, rounds: int) -> dict[str, object]:
    """Measure every way, one after the other, and all of them again.

    Args:
        stage: Where.
        seconds: How long each is under load in a round.
        rounds: How often.
    """
    made = write(stage.folder / "singles", requests(Shape(users=USERS)))
    looks: dict[str, list[Look]] = {way: [] for way in WAYS}
    for turn in range(rounds):
        for way in WAYS:
            async with running(stage, way, turn=turn) as service:
                found = await look(service, made, seconds=seconds, keeps=way in KEEPING)
            looks[way].append(found)
            print(f"{turn + 1}/{rounds} {way}: {found.run.per_s:,.0f}/s", flush=True)
    return {
        "connections": CONNECTIONS,
        "seconds": seconds,
        "rounds": rounds,
        "broker": f"one broker, Kafka {broker_version()}, acks=all",
        "ways": {way: figures(found) for way, found in looks.items()},
        **ratios(looks),
    }


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
