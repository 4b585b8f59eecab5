"""Every MovieLens rating through a running system, then every number against plain Python.

`nox -s movielens`, or `PYTHONPATH=stress-testing python -m datasets.movielens`. With
`--sessions` every rating becomes a whole sitting: see `datasets.movielens_sessions`.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import msgspec
from harness.results import write
from harness.system import System, running_system

from datasets import movielens_sessions
from datasets.posting import Journal, post_all
from datasets.viewing_starts import Start, viewing_starts
from ugc_core.bootstrap import open_warehouse
from ugc_core.warehouse import Warehouse

Key = TypeVar("Key", UUID, tuple[UUID, UUID])
ARRIVE_S = 120
Point = tuple[int, int, int]
"""Progress, total and time, all in milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What is compared.

    Attributes:
        event_ids: Every report that is kept.
        viewers: Unique viewers of each film.
        resume: Resume point of each (user, film).
    """

    event_ids: frozenset[UUID]
    viewers: Mapping[UUID, int]
    resume: Mapping[tuple[UUID, UUID], Point]


def expected(starts: Sequence[Start]) -> Numbers:
    """Compute the numbers from the reports, with nothing but Python's own types."""
    viewers: dict[UUID, set[UUID]] = {}
    latest: dict[tuple[UUID, UUID], tuple[tuple[int, bytes], Point]] = {}
    for start in starts:
        viewers.setdefault(start.film_id, set()).add(start.user_id)
        order = (start.viewed_ms, start.event_id.bytes)
        point = (start.progress_s * 1000, start.total_s * 1000, start.viewed_ms)
        key = (start.user_id, start.film_id)
        if key not in latest or latest[key][0] < order:
            latest[key] = (order, point)
    return Numbers(
        event_ids=frozenset(start.event_id for start in starts),
        viewers={film_id: len(users) for film_id, users in viewers.items()},
        resume={key: point for key, (_, point) in latest.items()},
    )


async def stored(warehouse: Warehouse) -> Numbers:
    """Read the numbers from the warehouse."""
    ids = await warehouse.read("SELECT event_id FROM views")
    viewers = await warehouse.read(
        "SELECT film_id, uniqExact(user_id, profile_id) FROM playback GROUP BY film_id"
    )
    resume = await warehouse.read(
        "SELECT user_id, film_id, p.progress_ms, p.total_ms, toUnixTimestamp64Milli(p.event_time)"
        " FROM (SELECT user_id, film_id, argMaxMerge(point) AS p FROM resume_points"
        " GROUP BY user_id, profile_id, film_id)"
    )
    points = msgspec.convert(resume.rows, list[tuple[UUID, UUID, int, int, int]])
    return Numbers(
        event_ids=frozenset(
            event_id for (event_id,) in msgspec.convert(ids.rows, list[tuple[UUID]])
        ),
        viewers=dict(msgspec.convert(viewers.rows, list[tuple[UUID, int]])),
        resume={(user, film): (progress, total, at) for user, film, progress, total, at in points},
    )


def differences(want: Numbers, have: Numbers) -> list[str]:
    """Name what differs, at most a few of each kind."""
    found = [f"lost {event_id}" for event_id in want.event_ids - have.event_ids]
    found += [f"phantom {event_id}" for event_id in have.event_ids - want.event_ids]
    found += _unequal("viewers of film", want.viewers, have.viewers)
    found += _unequal("resume point of", want.resume, have.resume)
    return found


def _unequal(name: str, want: Mapping[Key, object], have: Mapping[Key, object]) -> list[str]:
    return [
        f"{name} {key}: expected {want.get(key)}, stored {have.get(key)}"
        for key in set(want) | set(have)
        if want.get(key) != have.get(key)
    ]


async def _arrived(warehouse: Warehouse, journal: Journal) -> None:
    """Wait until as many reports are stored as were accepted."""
    async with asyncio.timeout(ARRIVE_S):
        while True:
            answer = await warehouse.read("SELECT count() FROM views")
            if msgspec.convert(answer.rows[0][0], int) >= len(journal.accepted):
                return
            await asyncio.sleep(0.1)


async def run(system: System, starts: Sequence[Start]) -> tuple[list[str], dict[str, object]]:
    """Post, wait, compare; return the differences and the figures."""
    began = time.perf_counter()
    journal = await post_all(system, starts)
    posted = time.perf_counter()
    async with open_warehouse(system.warehouse) as warehouse:
        await _arrived(warehouse, journal)
        arrived = time.perf_counter()
        have = await stored(warehouse)
    want = expected([start for start in starts if start.event_id in journal.accepted])
    found = [f"refused {event_id}: {why}" for event_id, why in journal.refused.items()]
    found += differences(want, have)
    figures: dict[str, object] = {
        "reports": len(starts),
        "accepted": len(journal.accepted),
        "stored": len(have.event_ids),
        "films": len(have.viewers),
        "users": len({user for user, _ in have.resume}),
        "resume_points": len(have.resume),
        "differences": len(found),
        "posting_s": round(posted - began, 2),
        "last_report_to_stored_s": round(arrived - posted, 2),
        "reports_per_s": round(len(starts) / (posted - began)),
        "resident_mib": system.resident_mib(),
    }
    return found, figures


def main() -> int:
    """Run it on a system of its own; exit 3 if a number differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="rows to take (default: all)")
    parser.add_argument("--sessions", action="store_true", help="whole sittings, under SIGKILL")
    parser.add_argument("--kafka", action="store_true", help="these on three brokers")
    parser.add_argument("--save", action="store_true", help="write results/movielens.json")
    options = parser.parse_args()
    if options.sessions:
        return movielens_sessions.main(
            limit=options.limit, save=options.save, brokers=options.kafka
        )
    starts = viewing_starts(until_ms=time.time_ns() // 1_000_000, limit=options.limit)
    with running_system() as system:
        found, figures = asyncio.run(run(system, starts))
    for name, value in figures.items():
        print(f"{name:<24} {value}")
    for line in found[:20]:
        print(line, file=sys.stderr)
    if options.save:
        print(write("movielens", figures))
    return 3 if found else 0


if __name__ == "__main__":
    sys.exit(main())
