"""What the OpenAPI document says of the routes for analysts."""

from collections.abc import Mapping
from typing import Any

from ugc_api.documentation import answer_docs, examples
from ugc_api.documentation.request_headers import BEARER
from ugc_api.paths import AUDIENCE_PATH, LIVE_PATH, RETENTION_PATH
from ugc_api.problems import kinds
from ugc_api.reading.audience_answers import FilmAudience, LiveViewers, RetentionCurve

Json = dict[str, Any]

_ROLE = " Asks for the role `analyst` in the token's `roles`."
_PROBLEMS = answer_docs.problems(
    *answer_docs.OF_EVERY_REQUEST,
    kinds.MISSING_TOKEN,
    kinds.INVALID_TOKEN,
    kinds.ROLE_REQUIRED,
    kinds.NO_SUCH_PATH,
    kinds.INVALID_PARAMETER,
    kinds.INTERNAL,
    kinds.KEYS_UNAVAILABLE,
    kinds.WAREHOUSE_UNAVAILABLE,
)
_AUDIENCE: Json = {
    "operationId": "getAudience",
    "tags": ["audience"],
    "summary": "A film's reach, plays, watch time and completion",
    "description": "Over a range of UTC days, or all of them. Exact, and up to ten seconds old:"
    f" `as_of` says when the warehouse was asked.{_ROLE}",
    "responses": {
        "200": answer_docs.answer(FilmAudience, "The film's numbers.", examples.AUDIENCE),
        **_PROBLEMS,
    },
    "security": BEARER,
}
_RETENTION: Json = {
    "operationId": "getRetention",
    "tags": ["audience"],
    "summary": "A film's retention curve",
    "description": "Viewers and plays in each bucket of the film, with where plays start and stop;"
    " a viewer counts in every bucket of which a second was watched. Equal questions at one time"
    " are asked once, and the answer is up to ten seconds old: see `as_of`. The whole and the"
    " curve are read one after the other, so while reports arrive a bucket may be a few viewers"
    f" ahead of `reach`.{_ROLE}",
    "responses": {
        "200": answer_docs.answer(RetentionCurve, "The curve.", examples.CURVE),
        **_PROBLEMS,
    },
    "security": BEARER,
}
_LIVE: Json = {
    "operationId": "getLiveViewers",
    "tags": ["audience"],
    "summary": "How many watch a film now",
    "description": f"Viewers with a report in the last minute; up to two seconds old.{_ROLE}",
    "responses": {
        "200": answer_docs.answer(LiveViewers, "The number.", examples.LIVE),
        **_PROBLEMS,
    },
    "security": BEARER,
}

AUDIENCE_OPERATIONS: Mapping[tuple[str, str], Json] = {
    (AUDIENCE_PATH, "get"): _AUDIENCE,
    (RETENTION_PATH, "get"): _RETENTION,
    (LIVE_PATH, "get"): _LIVE,
}
