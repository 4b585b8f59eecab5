"""How a read route asks the warehouse: a failure becomes a problem, and is said now and then."""

from collections.abc import Awaitable
from typing import TypeVar

import msgspec
from fastapi import Response

from ugc_api import media_types
from ugc_api.operating.sparing import SparingLog
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError
from ugc_core.clock import Clock
from ugc_core.errors import QueryRefusedError, WarehouseUnavailableError

T = TypeVar("T")
RETRY_S = 5
"""The embedded warehouse restarts in about a second, a cluster fails over in a few."""
_HEADERS = {"Cache-Control": "no-store"}
_encode = msgspec.json.Encoder().encode


class Asking:
    """Awaits what the warehouse says, on behalf of every read route."""

    def __init__(self, clock: Clock) -> None:
        """Warn of failures sparingly, by this clock."""
        self._failures = SparingLog(clock, "a read failed")

    async def __call__(self, question: Awaitable[T]) -> T:
        """Return the answer.

        Raises:
            ProblemError: The warehouse does not answer, or has no such tables.
        """
        try:
            return await question
        except (WarehouseUnavailableError, QueryRefusedError) as error:  # no tables, no rights
            self._failures.warn(error)
            detail = "The warehouse does not answer at the moment; reports are still accepted."
            retry = {"Retry-After": str(RETRY_S)}
            raise ProblemError(kinds.WAREHOUSE_UNAVAILABLE, detail, headers=retry) from error


def found(answer: object) -> Response:
    """Return a 200 that nobody on the way may keep."""
    return Response(_encode(answer), 200, _HEADERS, media_types.JSON)
