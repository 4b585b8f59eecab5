"""What compressing a batch for Kafka costs a report, by codec: `python -m bench.compression`.

Batches of as many reports as the log's writer packs under little, some and much load, compressed
by the codecs as aiokafka calls them. Baseline, in the same turn: a copy of the bytes.
"""

import time
from collections.abc import Callable, Iterator
from statistics import median
from uuid import UUID

from aiokafka.codec import lz4_encode, zstd_encode
from harness.load import bodies
from harness.results import write

from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.clock import SystemClock
from ugc_core.codec import encode_event

REPORTS = (1, 16, 100, 1_000)
ROUNDS = 7
LEAST_BYTES = 3_000_000
"""Compressed in a round, so that a short batch is timed as well as a long one."""
_VIEWERS = 50

Encode = Callable[[bytes], bytes]
CODECS: dict[str, Encode] = {
    "copy": lambda data: bytes(bytearray(data)),
    "lz4": lz4_encode,
    "zstd": zstd_encode,
}


def lines() -> Iterator[bytes]:
    """Yield log lines of many viewers in turns."""
    received_ms = SystemClock().wall_ms()
    turns = max(REPORTS) // _VIEWERS
    made = [bodies(number, batch=1, batches=turns) for number in range(_VIEWERS)]
    for _ in range(turns):
        for number, viewer in enumerate(made):
            report = parse_report(next(viewer))
            user = Viewer(user_id=UUID(int=number + 1))
            yield encode_event(
                accept(report, user, film_id=None, received_ms=received_ms, window=Window())
            )


def ns_a_byte(encode: Encode, batch: bytes) -> float:
    """Return the CPU of one round, in nanoseconds for each byte that goes in."""
    times = max(LEAST_BYTES // len(batch), 3)
    began = time.process_time_ns()
    for _ in range(times):
        encode(batch)
    return (time.process_time_ns() - began) / times / len(batch)


def figures_of(batch: bytes, reports: int) -> dict[str, object]:
    """Measure the codecs in turns on one batch."""
    rounds = [
        {name: ns_a_byte(encode, batch) for name, encode in CODECS.items()} for _ in range(ROUNDS)
    ]
    return {
        name: {
            "us_a_report": round(
                median(found[name] for found in rounds) * len(batch) / reports / 1000, 3
            ),
            "size": round(len(encode(batch)) / len(batch), 2),
        }
        for name, encode in CODECS.items()
    }


def main() -> None:
    """Measure, and keep the result."""
    every = list(lines())
    batches = {reports: b"\n".join(every[:reports]) for reports in REPORTS}
    document: dict[str, object] = {
        "rounds": ROUNDS,
        "baseline": "copy: the bytes, copied",
        "reports_in_a_batch": {
            str(reports): figures_of(batch, reports) for reports, batch in batches.items()
        },
    }
    print(write("compression", document).read_text("utf-8"))


if __name__ == "__main__":
    main()
