"""The routes of analysts: a film's numbers, its retention curve, and its viewers now."""

import re
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Query, Request, Response
from msgspec.structs import asdict

from ugc_api.auth.bearer import Bearer
from ugc_api.auth.identity import ANALYST
from ugc_api.paths import AUDIENCE_PATH, LIVE_PATH, RETENTION_PATH
from ugc_api.problems import kinds
from ugc_api.problems.problem import ProblemError, refuse_parameter
from ugc_api.reading.answers import utc_text
from ugc_api.reading.asking import Asking, found
from ugc_api.reading.audience_answers import (
    FilmAudience,
    LiveViewers,
    RetentionCurve,
)
from ugc_api.reading.audiences import Audiences, TooManyBucketsError
from ugc_core.audience import FIRST_DAY, LAST_DAY, Audience, Days
from ugc_core.events import MAX_TOTAL_S

_DAY_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")  # fromisoformat takes weeks as well

Day = Annotated[str | None, Query(json_schema_extra={"format": "date"})]
Since = Annotated[
    Day, Query(description="First UTC day that counts. Absent, or before 1970: from the beginning.")
]
Until = Annotated[
    Day,
    Query(
        description="Last UTC day that counts; not before `since`. Absent, or after 2149-06-06:"
        " up to now."
    ),
]
Width = Annotated[
    int | None,
    Query(
        ge=1,
        le=MAX_TOTAL_S,
        description="Width of a bucket, in seconds of film; a curve has at most 10,800 buckets."
        " Absent: one that gives up to 300.",
    ),
]


def add_audience_routes(app: FastAPI, *, audiences: Audiences, bearer: Bearer, ask: Asking) -> None:
    """Add the three routes; each wants a token with the role `analyst`."""

    # As a dependency it comes first: without the role nothing is said about parameters.
    async def analyst(request: Request) -> None:
        require_analyst(bearer.of(request).roles)

    async def get_audience(film_id: UUID, since: Since = None, until: Until = None) -> Response:
        days = _days(since, until)
        answer = await ask(audiences.numbers(film_id, days))
        return found(_audience(film_id, days, answer.value, utc_text(answer.as_of_ms)))

    async def get_retention(
        film_id: UUID, since: Since = None, until: Until = None, bucket_s: Width = None
    ) -> Response:
        days = _days(since, until)
        try:
            answer = await ask(audiences.curve(film_id, days, bucket_s))
        except TooManyBucketsError as error:
            refuse_parameter("bucket_s", f"is too narrow: this film takes {error.least_s} or more")
        curve = answer.value
        return found(
            RetentionCurve(
                film_id=film_id,
                since=_unless(FIRST_DAY, days.since),
                until=_unless(LAST_DAY, days.until),
                as_of=utc_text(answer.as_of_ms),
                length_s=curve.whole.length_s,
                reach=curve.whole.reach,
                bucket_s=curve.bucket_s,
                buckets=curve.buckets,
            )
        )

    async def get_live_viewers(film_id: UUID) -> Response:
        answer = await ask(audiences.live(film_id))
        as_of = utc_text(answer.as_of_ms)
        return found(LiveViewers(film_id=film_id, viewers=answer.value, as_of=as_of))

    guarded = [Depends(analyst)]
    app.add_api_route(AUDIENCE_PATH, get_audience, dependencies=guarded)
    app.add_api_route(RETENTION_PATH, get_retention, dependencies=guarded)
    app.add_api_route(LIVE_PATH, get_live_viewers, dependencies=guarded)


def require_analyst(roles: frozenset[str]) -> None:
    """Let analysts through.

    Raises:
        ProblemError: The role is missing.
    """
    if ANALYST not in roles:
        challenge = {
            "WWW-Authenticate": f'Bearer realm="ugc", error="insufficient_scope", scope="{ANALYST}"'
        }
        detail = f"This asks for a token whose `roles` hold {ANALYST}."
        raise ProblemError(kinds.ROLE_REQUIRED, detail, headers=challenge)


def _audience(film_id: UUID, days: Days, of: Audience, as_of: str) -> FilmAudience:
    return FilmAudience(
        film_id=film_id,
        since=_unless(FIRST_DAY, days.since),
        until=_unless(LAST_DAY, days.until),
        as_of=as_of,
        **asdict(of),
        rewatched_s=of.rewatched_s,
        average_view_s=_ratio(of.watch_time_s, of.plays, digits=3),
        completion_share=_ratio(of.completed, of.reach, digits=6),
    )


def _unless(end: date, day: date) -> date | None:
    """Return the day, or None where it is the end of all days and so no bound."""
    return None if day == end else day


def _ratio(part: int, whole: int, *, digits: int) -> float:
    return round(part / whole, digits) if whole else 0.0


def _days(since: str | None, until: str | None) -> Days:
    days = Days(
        since=FIRST_DAY if since is None else _day("since", since),
        until=LAST_DAY if until is None else _day("until", until),
    )
    if days.since > days.until:
        refuse_parameter("until", "lies before since")
    return days


def _day(name: str, text: str) -> date:
    """Return a day, or the end of all days that the warehouse can tell, where it is past that."""
    try:
        day = date.fromisoformat(text) if _DAY_FORM.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        refuse_parameter(name, "is not a day, as YYYY-MM-DD")
    return min(max(day, FIRST_DAY), LAST_DAY)
