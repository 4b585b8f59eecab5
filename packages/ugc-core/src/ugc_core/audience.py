"""A film's audience: the numbers of architecture/metrics.md, read from the ledger.

The SQL is in `ugc_core.queries`; tests hold it equal to a brute-force computation.
"""

from collections.abc import Sequence
from datetime import date
from functools import cache
from importlib import resources
from uuid import UUID

import msgspec
from msgspec import Struct

from ugc_core.warehouse import Warehouse

FIRST_DAY = date(1970, 1, 1)
LAST_DAY = date(2149, 6, 6)
"""The ends of ClickHouse's Date."""


class Audience(Struct, frozen=True, kw_only=True):
    """The numbers of one film over a range of days; seconds are whole seconds of film.

    Attributes:
        length_s: The longest total that was reported; 0 without a report.
        reach: Viewers with at least one watched second.
        plays: Sittings with at least one watched second.
        watch_time_s: Sum over plays of their distinct watched seconds.
        unique_s: Sum over viewers of their distinct watched seconds.
        completed: Viewers that watched nine tenths of the film or more.
    """

    length_s: int
    reach: int
    plays: int
    watch_time_s: int
    unique_s: int
    completed: int

    @property
    def rewatched_s(self) -> int:
        """Seconds that a viewer had watched in another play already."""
        return self.watch_time_s - self.unique_s


class RetentionBucket(Struct, frozen=True, kw_only=True):
    """One bucket of a retention curve.

    Attributes:
        start_s: Where it begins, in seconds of film.
        viewers: Viewers that watched at least one second of it.
        plays: Plays that did.
        starts: Plays whose first watched second lies in it.
        stops: Plays whose last watched second lies in it.
    """

    start_s: int
    viewers: int
    plays: int
    starts: int
    stops: int


_NOTHING = {"viewers": 0, "plays": 0, "starts": 0, "stops": 0}


class Days(Struct, frozen=True, kw_only=True):
    """A range of UTC days, both ends included; everything by default."""

    since: date = FIRST_DAY
    until: date = LAST_DAY


async def audience(warehouse: Warehouse, film_id: UUID, days: Days) -> Audience:
    """Read a film's numbers.

    Raises:
        WarehouseUnavailableError: The warehouse did not answer.
    """
    answer = await warehouse.read(_sql("audience"), _parameters(film_id, days))
    row = dict(zip(answer.names, answer.rows[0], strict=True))
    return msgspec.convert(row, Audience)


async def retention(
    warehouse: Warehouse, film_id: UUID, days: Days, *, length_s: int, bucket_s: int
) -> Sequence[RetentionBucket]:
    """Read a film's retention curve: every bucket up to its length, empty ones included.

    Args:
        warehouse: Where to read.
        film_id: The film.
        days: The days that count.
        length_s: Length of the film, as `audience` gives it.
        bucket_s: Width of a bucket, in seconds of film.

    Raises:
        WarehouseUnavailableError: The warehouse did not answer.
    """
    parameters = _parameters(film_id, days) | {"bucket_s": bucket_s}
    answer = await warehouse.read(_sql("curve"), parameters)
    rows = msgspec.convert(answer.rows, list[tuple[int, ...]])
    counts = {row[0]: dict(zip(answer.names[1:], row[1:], strict=True)) for row in rows}
    return [
        RetentionBucket(start_s=start, **counts.get(start // bucket_s, _NOTHING))
        for start in range(0, length_s, bucket_s)
    ]


async def live_viewers(warehouse: Warehouse, film_id: UUID, at_ms: int) -> int:
    """Read how many viewers reported in the minute up to `at_ms`, Unix milliseconds.

    Raises:
        WarehouseUnavailableError: The warehouse did not answer.
    """
    answer = await warehouse.read(_sql("live"), {"film_id": film_id, "at_ms": at_ms})
    return msgspec.convert(answer.rows[0][0], int)


@cache
def _sql(name: str) -> str:
    return (resources.files("ugc_core.queries") / f"{name}.sql").read_text("utf-8")


def _parameters(film_id: UUID, days: Days) -> dict[str, object]:
    return {
        "film_id": film_id,
        "since": days.since.isoformat(),
        "until": days.until.isoformat(),
    }
