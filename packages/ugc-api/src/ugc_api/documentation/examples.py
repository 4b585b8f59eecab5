"""Examples for the documentation; tests send them in."""

from datetime import date
from typing import Any
from uuid import UUID

from msgspec import to_builtins

from ugc_api.intake.answers import (
    Accepted,
    AcceptedItem,
    BatchAnswer,
    RefusedItem,
)
from ugc_api.intake.beacon_grants import BeaconToken
from ugc_api.problems import kinds
from ugc_api.problems.examples import example
from ugc_api.problems.kinds import Kind
from ugc_api.reading.answers import ContinueWatching, ResumePoint
from ugc_api.reading.audience_answers import (
    FilmAudience,
    LiveViewers,
    RetentionCurve,
)
from ugc_api.reading.resume import Cursor
from ugc_core.audience import RetentionBucket
from ugc_core.log import Receipt

Json = dict[str, Any]

FILM = "0b39f7d6-66fd-4c09-9c7a-2f1f2a3d8f51"
EVENT = UUID("01943b2c-8f6a-7c1e-9b7d-3a5e6f708192")
_RECEIPT = Receipt(partition=2, offset=1041, line=0)

REPORTS: Json = {
    "shortest": {"summary": "An older client", "value": {"progress": 120, "total": 5400}},
    "stretch": {
        "summary": "A heartbeat that says what was watched",
        "value": {
            "progress": 130.5,
            "total": 5400,
            "watched_from": 120.5,
            "kind": "heartbeat",
            "device": "web",
            "seq": 12,
        },
    },
}
BATCH: list[Json] = [
    {"film_id": FILM, "progress": 120, "total": 5400},
    {"film_id": FILM, "progress": 9000, "total": 5400},
]
LINES = (
    f'{{"film_id": "{FILM}", "progress": 120, "total": 5400}}\n'
    f'{{"film_id": "{FILM}", "progress": 130, "total": 5400}}\n'
)
BEACON_TOKEN_REQUEST: Json = {"film_id": FILM}
BEACON_TOKEN = BeaconToken(
    token="eyJhbGciOiJIUzI1NiIsInR5cCI6ImJlYWNvbitqd3QifQ.e30.c2ln",  # noqa: S106 - it is none
    expires_in=21_600,
)
BEACON: Json = {
    "token": BEACON_TOKEN.token,
    "report": {"progress": 130.5, "total": 5400, "watched_from": 120.5, "kind": "pause"},
}
ACCEPTED = Accepted(event_id=EVENT, receipt=_RECEIPT)
POINT = ResumePoint(
    film_id=UUID(FILM),
    progress=130.5,
    total=5400,
    updated_at="2026-01-01T20:15:30.250Z",
    finished=False,
)
PAGE = ContinueWatching(
    items=[POINT], next_cursor=Cursor(at_ms=1_767_298_530_250, film_id=POINT.film_id).text()
)
_AS_OF = "2026-01-31T20:15:30.250Z"
AUDIENCE = FilmAudience(
    film_id=UUID(FILM),
    since=date(2026, 1, 1),
    until=date(2026, 1, 31),
    as_of=_AS_OF,
    length_s=5400,
    reach=1000,
    plays=1250,
    watch_time_s=4_500_000,
    unique_s=4_200_000,
    rewatched_s=300_000,
    average_view_s=3600,
    completed=640,
    completion_share=0.64,
)
CURVE = RetentionCurve(
    film_id=UUID(FILM),
    since=None,
    until=None,
    as_of=_AS_OF,
    length_s=5400,
    reach=1000,
    bucket_s=2700,
    buckets=[
        RetentionBucket(start_s=0, viewers=1000, plays=1230, starts=1225, stops=310),
        RetentionBucket(start_s=2700, viewers=700, plays=940, starts=25, stops=940),
    ],
)
LIVE = LiveViewers(film_id=UUID(FILM), viewers=42, as_of=_AS_OF)


def problem(kind: Kind) -> Json:
    """Return an example of a kind of problem."""
    found: Json = to_builtins(example(kind))
    return found


VERDICTS = BatchAnswer(
    accepted=1,
    refused=1,
    duplicates=0,
    items=[
        AcceptedItem(event_id=EVENT, receipt=_RECEIPT),
        RefusedItem(problem=example(kinds.REFUSED_REPORT)),
    ],
)
