"""What each part of ugc-api's work on a single report costs: it is left out, step by step."""

from harness.api_requests import Shape, requests, write
from harness.api_stage import Stage
from harness.api_steps import STEPS
from harness.kafka_pipeline import broker_version

from bench.api.ways import CONNECTIONS, OURS, USERS, Look, figures, look, running


async def measure(stage: Stage, *, seconds: float, rounds: int) -> dict[str, object]:
    """Measure the no-op, every step, and the whole service, and all of them again.

    Args:
        stage: Where.
        seconds: How long each is under load in a round.
        rounds: How often.
    """
    made = write(stage.folder / "singles", requests(Shape(users=USERS)))
    looks: dict[str, list[Look]] = {way: [] for way in ("noop", *STEPS, OURS)}
    for turn in range(rounds):
        for way, found in looks.items():
            async with running(stage, way, turn=turn) as service:
                found.append(await look(service, made, seconds=seconds, keeps=way == OURS))
            print(f"{turn + 1}/{rounds} {way}: {found[-1].us_a_request:.1f} us", flush=True)
    return {
        "connections": CONNECTIONS,
        "seconds": seconds,
        "rounds": rounds,
        "broker": f"one broker, Kafka {broker_version()}, acks=all",
        "ways": {way: figures(found) for way, found in looks.items()},
    }
