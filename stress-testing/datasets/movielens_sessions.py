"""Every MovieLens rating as a whole sitting, through a system that is killed meanwhile.

`nox -s movielens -- --sessions`: about a million reports, singles and batches, late ones and
repeats, while `ugc up` is killed with SIGKILL and started again. Afterwards every number of
architecture/metrics.md for every film and every viewer equals the oracle's, and
`ugc verify --deep` finds nothing. With `--kafka` the log is three brokers, and one after the
other of them is killed instead.
"""

import asyncio
import resource
import sys
import time
from collections.abc import Sequence

import msgspec
from harness.brokered import brokered_system
from harness.mortal import Mortal, mortal_system
from harness.results import write
from harness.system import Running

from datasets.comparison import Comparison
from datasets.delivering import Journal, deliver
from datasets.numbers import compare
from datasets.ratings import Rating, ratings
from ugc_core.bootstrap import open_warehouse

KILLS = 5
FEW_USERS = 150
ARRIVE_S = 300
_AGO_MS = 2 * 86_400_000 + 6 * 3_600_000
"""The last rating lies this far back: a sitting may go on the next day."""
_KILO = 1024


def chosen(limit: int | None, *, until_ms: int) -> Sequence[Rating]:
    """Return the ratings; of a limited number a few users' ratings of the most rated films."""
    every = ratings(until_ms=until_ms)
    if limit is None:
        return every
    every = [rating for rating in every if rating.user <= FEW_USERS]
    often: dict[int, int] = {}
    for rating in every:
        often[rating.film] = often.get(rating.film, 0) + 1
    return sorted(every, key=lambda one: (-often[one.film], one.film, one.row))[:limit]


async def arrived(system: Running, many: int) -> None:
    """Wait until as many reports are stored as were accepted."""
    async with open_warehouse(system.warehouse) as warehouse, asyncio.timeout(ARRIVE_S):
        while True:
            answer = await warehouse.read("SELECT uniqExact(event_id) FROM views_raw")
            if msgspec.convert(answer.rows[0][0], int) >= many:
                return
            await asyncio.sleep(0.2)


async def run(
    system: Mortal, taken: Sequence[Rating], *, kills: int
) -> tuple[list[str], dict[str, object]]:
    """Send, kill, wait, compare, verify; return the differences and the figures."""
    began = time.perf_counter()
    journal = await deliver(system, taken, kills=kills)
    sent = time.perf_counter()
    await arrived(system.current, len(journal.accepted))
    stored = time.perf_counter()
    found = await compare(system.current, taken, journal.accepted)
    compared = time.perf_counter()
    code, said = await asyncio.to_thread(system.current.ugc, "verify", "--deep", "--wait", "60")
    if code:
        found.differences.append(f"`ugc verify --deep` ended with {code}: {said}")
    found.differences += [f"never acknowledged: {number:032x}" for number in journal.unknown]
    seconds = {
        "sending_s": round(sent - began, 1),
        "last_report_to_stored_s": round(stored - sent, 2),
        "comparing_s": round(compared - stored, 1),
        "verifying_s": round(time.perf_counter() - compared, 1),
    }
    return found.differences, {**_figures(taken, journal, found), **_of(system), **seconds}


def _figures(taken: Sequence[Rating], journal: Journal, found: Comparison) -> dict[str, object]:
    return {
        "ratings": len(taken),
        "reports": len(journal.accepted),
        "sent": journal.sent,
        "repeated": journal.repeated,
        "requests": journal.batches + journal.singles,
        "single_reports": journal.singles,
        "retried": dict(sorted(journal.retries.items())),
        "stored": found.reports,
        "users": len({rating.user for rating in taken}),
        "viewers": found.viewers,
        "films": found.films,
        "resume_points": found.points,
        "curve_buckets": found.buckets,
        "numbers": found.numbers,
        "differences": len(found.differences),
    }


def _of(system: Mortal) -> dict[str, object]:
    own_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "kills": system.kills,
        "down_s": system.down_s,
        "resident_mib": system.current.resident_mib(),
        "own_peak_mib": round(own_kib / _KILO, 1),
    }


def main(*, limit: int | None, save: bool, brokers: bool) -> int:
    """Run it on a system of its own; return 3 if a number differs.

    Args:
        limit: Ratings to take; None for all of them.
        save: Whether to write the result.
        brokers: Whether the log is three brokers, one of which is killed, instead of `ugc up`.
    """
    taken = chosen(limit, until_ms=time.time_ns() // 1_000_000 - _AGO_MS)
    with brokered_system() if brokers else mortal_system() as system:
        found, figures = asyncio.run(run(system, taken, kills=KILLS if limit is None else 1))
    for name, value in figures.items():
        print(f"{name:<24} {value}")
    for line in found[:20]:
        print(line, file=sys.stderr)
    if save:
        print(write("movielens_kafka" if brokers else "movielens_sessions", figures))
    return 3 if found else 0
