"""Every number of the warehouse as the engine answers it, in the shape that `recount` has."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from tests.integration.recount import Numbers, Played
from ugc_core.warehouse import Warehouse

VIEWS = """
    SELECT film_id, user_id, profile_id, event_id, session_id, seq, progress_ms, total_ms,
        watched_from_ms, event_time, viewed_at, clock_offset_ms, kind, device, extra, received_at
    FROM views WHERE film_id IN {films:Array(UUID)}
"""
PLAYBACK = """
    SELECT film_id, day, user_id, profile_id, session_id,
        bitmapToArray(groupBitmapMergeState(seconds)), min(first_time), max(last_time),
        max(total_ms), argMaxMerge(device)
    FROM playback WHERE film_id IN {films:Array(UUID)} GROUP BY 1, 2, 3, 4, 5
"""
RESUME = """
    SELECT user_id, profile_id, film_id, argMaxMerge(point) AS point,
        point.progress_ms, point.total_ms, point.event_time
    FROM resume_points WHERE film_id IN {films:Array(UUID)} GROUP BY 1, 2, 3
"""


async def stored(warehouse: Warehouse, films: Iterable[UUID]) -> Numbers:
    """Read every number of some films."""
    some = {"films": [*films]}
    views: Any = (await warehouse.read(VIEWS, some)).rows
    playback: Any = (await warehouse.read(PLAYBACK, some)).rows
    resume: Any = (await warehouse.read(RESUME, some)).rows
    numbers = Numbers(
        views={tuple(row[:4]): tuple(row[4:]) for row in views},
        playback={tuple(row[:5]): Played(frozenset(row[5]), *row[6:]) for row in playback},
        resume={tuple(row[:3]): tuple(row[4:]) for row in resume},
    )
    assert len(views) == len(numbers.views)
    return numbers
