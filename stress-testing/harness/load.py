"""A load generator that costs little: ready-made bodies over raw keep-alive connections.

`python -m harness.load --api URL --batches 100 < tokens` posts batches, one user a
connection, and prints what became of them as JSON. It is a process of its own, so that its
work is not taken for that of the services.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec import Struct

ACCEPTED = b"HTTP/1.1 202"
TOTAL_S = 5400
HEARTBEAT_S = 10
_FILMS = 40
_HEAD = (
    "POST {path}progresses/ HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    "Content-Type: application/x-ndjson\r\nContent-Length: "
)
# A v7 id that counts: the time in front, the connection and the number behind.
_LINE = (
    '{"event_id":"%s-7000-8%03x-%012x","film_id":"%s","progress":%d,"total":5400,'
    '"watched_from":%d,"viewed_at":%d,"session_id":"%s","seq":%d,"kind":"heartbeat","device":"tv"}'
)


class Outcome(Struct, kw_only=True):
    """What one run did.

    Attributes:
        accepted: Reports that were answered 202.
        seconds: From the first request to the last answer.
        cpu_s: What the generator itself used.
        answers_ms: How long each batch waited for its answer, in order.
    """

    accepted: int
    seconds: float
    cpu_s: float
    answers_ms: list[float]


def bodies(number: int, *, batch: int, batches: int) -> Iterator[bytes]:
    """Yield NDJSON bodies of one viewer who plays film after film, a heartbeat per 10 s."""
    at_ms = time.time_ns() // 1_000_000
    prefix = f"{at_ms:012x}"
    stamp = f"{prefix[:8]}-{prefix[8:]}"
    steps = TOTAL_S // HEARTBEAT_S
    for start in range(0, batch * batches, batch):
        lines = []
        for n in range(start, start + batch):
            sitting, step = divmod(n, steps)
            film = UUID(int=0xF << 64 | (number + sitting) % _FILMS + 1)
            session = UUID(int=0xA << 64 | number << 32 | sitting + 1)
            from_s = step * HEARTBEAT_S
            values = (film, from_s + HEARTBEAT_S, from_s, at_ms + n, session, step)
            lines.append(_LINE % (stamp, number, n, *values))
        yield "\n".join(lines).encode()


async def client(
    api: str, token: str, number: int, *, batch: int, batches: int, every_s: float
) -> tuple[int, list[float]]:
    """Post one viewer's batches, each after the answer to the one before.

    Args:
        api: Root of the API.
        token: The viewer's.
        number: The viewer's number.
        batch: Reports in a request.
        batches: How many requests.
        every_s: Seconds from one request to the next, if answers come in time.
    """
    where = urlsplit(api)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = _HEAD.format(path=where.path, host=where.netloc, token=token).encode()
    accepted, waited, due = 0, [], time.perf_counter()
    with closing(writer):
        for body in bodies(number, batch=batch, batches=batches):
            due += every_s
            began = time.perf_counter()
            writer.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            verdicts = await reader.readexactly(length)
            waited.append(round((time.perf_counter() - began) * 1000, 2))
            if not answer.startswith(ACCEPTED):
                raise SystemExit((answer + verdicts).decode())
            accepted += int(verdicts.partition(b'"accepted":')[2].partition(b",")[0])
            if (early_s := due - time.perf_counter()) > 0:
                await asyncio.sleep(early_s)
    return accepted, waited


async def post(api: str, tokens: list[str], *, batch: int, batches: int, per_s: float) -> Outcome:
    """Run a client for each token, all at once."""
    every_s = batch * len(tokens) / per_s if per_s else 0.0
    began, cpu = time.perf_counter(), time.process_time()
    work = [
        client(api, token, number, batch=batch, batches=batches, every_s=every_s)
        for number, token in enumerate(tokens)
    ]
    found = await asyncio.gather(*work)
    return Outcome(
        accepted=sum(accepted for accepted, _ in found),
        seconds=round(time.perf_counter() - began, 3),
        cpu_s=round(time.process_time() - cpu, 3),
        answers_ms=[ms for _, waited in found for ms in waited],
    )


def main() -> None:
    """Read one token a line; print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", required=True)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--batches", type=int, required=True, help="batches of each user")
    parser.add_argument("--per-s", type=float, default=0, help="reports a second; 0: no bound")
    options = parser.parse_args()
    tokens = sys.stdin.read().split()
    work = post(
        options.api, tokens, batch=options.batch, batches=options.batches, per_s=options.per_s
    )
    print(json.dumps(msgspec.to_builtins(asyncio.run(work))))


if __name__ == "__main__":
    main()
