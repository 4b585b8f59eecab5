"""In what order and in what company a user's reports are sent, by a seeded rule.

- A user's reports go out in the order of their times; 1 of 100 is late by up to an hour.
- 2 of 100 are sent a second time, up to two hours later, with the same id.
- Requests hold 100 to 500 reports; after one in three a single report goes alone.
"""

import heapq
import random
from collections.abc import Iterator, Sequence
from uuid import UUID

from msgspec import Struct

from datasets.ratings import Rating
from datasets.sessions import Report, reports

LATE_SHARE = 0.01
REPEATED_SHARE = 0.02
_LATE_MS = 3_600_000
_REPEAT_MS = 7_200_000
_SMALLEST, _LARGEST = 100, 500


class Request(Struct, frozen=True, kw_only=True):
    """Reports that are sent together.

    Attributes:
        user_id: Who sends them.
        reports: What is sent.
        repeated: How many of them were sent before.
    """

    user_id: UUID
    reports: Sequence[Report]
    repeated: int


def requests(own: Sequence[Rating]) -> Iterator[Request]:
    """Yield the requests of one user, always the same ones."""
    draw = random.Random(f"ugc sending 1: {own[0].user}")
    queue: list[tuple[int, int, bool, Report]] = []
    for rating in own:
        for report in reports(rating):
            late_ms = draw.randint(1, _LATE_MS) if draw.random() < LATE_SHARE else 0
            queue.append((report.at_ms + late_ms, len(queue), False, report))
            if draw.random() < REPEATED_SHARE:
                again_ms = report.at_ms + late_ms + draw.randint(1, _REPEAT_MS)
                queue.append((again_ms, len(queue), True, report))
    heapq.heapify(queue)
    while queue:
        size = 1 if draw.random() < 0.25 else draw.randint(_SMALLEST, _LARGEST)
        taken = [heapq.heappop(queue) for _ in range(min(size, len(queue)))]
        yield Request(
            user_id=own[0].user_id,
            reports=[report for *_, report in taken],
            repeated=sum(again for _, _, again, _ in taken),
        )


def by_user(ratings: Sequence[Rating]) -> dict[int, list[Rating]]:
    """Return each user's ratings."""
    found: dict[int, list[Rating]] = {}
    for rating in ratings:
        found.setdefault(rating.user, []).append(rating)
    return found
