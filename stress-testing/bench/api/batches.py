"""Batches of 100 reports, acknowledged by Kafka: reports a second of one process."""

from harness.api_requests import Shape, requests, write
from harness.api_stage import Stage
from harness.kafka_pipeline import broker_version

from bench.api.ways import CONNECTIONS, OURS, figures, look, running

BATCH = 100
_SHAPE = Shape(users=200, each=10, batch=BATCH)


async def measure(stage: Stage, *, seconds: float, rounds: int) -> dict[str, object]:
    """Measure, on a fresh process each time.

    Args:
        stage: Where.
        seconds: How long it is under load in a round.
        rounds: How often.
    """
    made = write(stage.folder / "batches", requests(_SHAPE))
    looks = []
    for turn in range(rounds):
        async with running(stage, OURS, turn=turn) as service:
            looks.append(
                await look(service, made, seconds=seconds, batch=BATCH, users=_SHAPE.users)
            )
            print(f"{turn + 1}/{rounds}: {looks[-1].run.per_s * BATCH:,.0f}/s", flush=True)
    return {
        "batch": BATCH,
        "connections": CONNECTIONS,
        "seconds": seconds,
        "rounds": rounds,
        "broker": f"one broker, Kafka {broker_version()}, acks=all",
        **figures(looks),
        "body": "x-ndjson",
    }
