"""Where viewers are: resume points and the continue-watching list, from the warehouse."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from msgspec import Struct

from ugc_api.reading.answers import ContinueWatching, ResumePoint, utc_text
from ugc_core.warehouse import Warehouse

FINISHED_PERCENT = 95
"""A film is finished once this share of it lies behind: credits are rarely watched."""
_CURSOR_VERSION = b"\x01"
_TIME_BYTES = 8
_LAST_MS = 2**63 - 1

# One row a film; `point` is merged here because parts of it may not be merged on disk yet.
_POINTS = """
    SELECT
        film_id,
        argMaxMerge(point) AS latest,
        tupleElement(latest, 1) AS progress_ms,
        tupleElement(latest, 2) AS total_ms,
        toUnixTimestamp64Milli(tupleElement(latest, 3)) AS at_ms
    FROM resume_points
    WHERE user_id = {user_id:UUID} AND profile_id = {profile_id:UUID}
"""
_ONE = f"""
SELECT film_id, progress_ms, total_ms, at_ms FROM (
    {_POINTS} AND film_id = {{film_id:UUID}}
    GROUP BY user_id, profile_id, film_id
)
"""  # noqa: S608 - constants
# The cursor names the last row of the page before: whatever was reported since is newer and
# so lies before it, hence no film comes twice and none that stayed as it was is left out.
_PAGE = f"""
SELECT film_id, progress_ms, total_ms, at_ms FROM (
    {_POINTS}
    GROUP BY user_id, profile_id, film_id
)
WHERE (at_ms, toString(film_id)) < ({{before_ms:Int64}}, {{before_film:String}})
    AND ({{include_finished:UInt8}} = 1 OR progress_ms * 100 < total_ms * {FINISHED_PERCENT})
ORDER BY at_ms DESC, toString(film_id) DESC
LIMIT {{rows:UInt32}}
"""  # noqa: S608 - constants


CURSOR_PATTERN = "^A[Q-X][A-Za-z0-9_-]{32}$"
"""Of the text: version 1, a time that is not negative, a film."""


class Cursor(Struct, frozen=True, kw_only=True):
    """The last row of a page.

    Attributes:
        at_ms: Its time, Unix time in milliseconds.
        film_id: Its film.
    """

    at_ms: int
    film_id: UUID

    def text(self) -> str:
        """Return it as clients carry it."""
        raw = _CURSOR_VERSION + self.at_ms.to_bytes(_TIME_BYTES, "big") + self.film_id.bytes
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `text` wrote.

        Raises:
            ValueError: It is something else.
        """
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        at_ms = int.from_bytes(raw[1 : 1 + _TIME_BYTES], "big")
        if raw[:1] != _CURSOR_VERSION or at_ms > _LAST_MS:
            msg = "not a cursor of this version"
            raise ValueError(msg)
        return cls(at_ms=at_ms, film_id=UUID(bytes=raw[1 + _TIME_BYTES :]))


@dataclass(frozen=True, kw_only=True)
class ResumePoints:
    """Questions about one viewer at a time."""

    warehouse: Warehouse

    async def one(self, user_id: UUID, profile_id: UUID, film_id: UUID) -> ResumePoint | None:
        """Return the viewer's resume point in a film.

        Raises:
            WarehouseUnavailableError: The warehouse did not answer.
        """
        values = {"user_id": user_id, "profile_id": profile_id, "film_id": film_id}
        found = await self.warehouse.read(_ONE, values)
        return next(map(_point, found.rows), None)

    async def page(
        self,
        user_id: UUID,
        profile_id: UUID,
        *,
        limit: int,
        after: Cursor | None,
        include_finished: bool,
    ) -> ContinueWatching:
        """Return up to `limit` films, the latest first.

        Raises:
            WarehouseUnavailableError: The warehouse did not answer.
        """
        values = {
            "user_id": user_id,
            "profile_id": profile_id,
            "before_ms": after.at_ms if after else _LAST_MS,
            "before_film": str(after.film_id) if after else "",
            "include_finished": int(include_finished),
            "rows": limit + 1,
        }
        found = await self.warehouse.read(_PAGE, values)
        rows = found.rows[:limit]
        more = len(found.rows) > limit
        return ContinueWatching(
            items=[_point(row) for row in rows],
            next_cursor=_cursor(rows[-1]).text() if more else None,
        )


def _point(row: Sequence[object]) -> ResumePoint:
    film_id, progress_ms, total_ms, at_ms = _typed(row)
    return ResumePoint(
        film_id=film_id,
        progress=progress_ms / 1000,
        total=total_ms / 1000,
        updated_at=utc_text(at_ms),
        finished=progress_ms * 100 >= total_ms * FINISHED_PERCENT,
    )


def _cursor(row: Sequence[object]) -> Cursor:
    film_id, _, _, at_ms = _typed(row)
    return Cursor(at_ms=at_ms, film_id=film_id)


def _typed(row: Sequence[object]) -> tuple[UUID, int, int, int]:
    match row:
        case [UUID() as film_id, int() as progress_ms, int() as total_ms, int() as at_ms]:
            return film_id, progress_ms, total_ms, at_ms
        case _:
            msg = f"the warehouse answered with {[type(value).__name__ for value in row]}"
            raise TypeError(msg)
