"""What the OpenAPI document says of each operation, beside what FastAPI finds out itself."""

from collections.abc import Mapping
from typing import Any

from ugc_api import media_types
from ugc_api.documentation import answer_docs, examples
from ugc_api.documentation.audience_operations import AUDIENCE_OPERATIONS
from ugc_api.documentation.beacon_operations import BEACON_OPERATIONS
from ugc_api.documentation.request_headers import BEARER, COMPRESSED, KEY, TRACEPARENT
from ugc_api.documentation.schemas import ref
from ugc_api.intake.answers import Accepted, BatchAnswer
from ugc_api.paths import MANY_PATH, ONE_PATH
from ugc_api.problems import kinds
from ugc_api.reading.answers import ContinueWatching, ResumePoint
from ugc_core.events import Report

Json = dict[str, Any]

_UUID = {"type": "string", "format": "uuid"}
_FILM = {
    "name": "film_id",
    "in": "path",
    "required": True,
    "schema": _UUID,
    "example": examples.FILM,
}
_WRITE_PROBLEMS = (
    *answer_docs.OF_EVERY_REQUEST,
    kinds.MALFORMED_BODY,
    kinds.MALFORMED_ENCODING,
    kinds.MALFORMED_KEY,
    kinds.MISSING_TOKEN,
    kinds.INVALID_TOKEN,
    kinds.BODY_TIMEOUT,
    kinds.TOO_LARGE,
    kinds.UNSUPPORTED_MEDIA,
    kinds.REFUSED_REPORT,
    kinds.INTERNAL,
    kinds.KEYS_UNAVAILABLE,
    kinds.LOG_BUSY,
    kinds.LOG_UNAVAILABLE,
    kinds.STOPPING,
)
_READ_PROBLEMS = (
    *answer_docs.OF_EVERY_REQUEST,
    kinds.MISSING_TOKEN,
    kinds.INVALID_TOKEN,
    kinds.FOREIGN_REPORT,
    kinds.INVALID_PARAMETER,
    kinds.INTERNAL,
    kinds.KEYS_UNAVAILABLE,
    kinds.WAREHOUSE_UNAVAILABLE,
)


_REPORT: Json = {
    "operationId": "reportProgress",
    "tags": ["progress"],
    "summary": "Report progress in one film",
    "description": "The shortest body is `progress` and `total`. A player that repeats a report"
    " sends the same `event_id`, and so the same `viewed_at`.",
    "security": BEARER,
    "parameters": [_FILM, KEY, TRACEPARENT],
    "requestBody": {
        "description": COMPRESSED,
        "required": True,
        "content": {media_types.JSON: {"schema": ref(Report), "examples": examples.REPORTS}},
    },
    "responses": {
        "202": answer_docs.answer(Accepted, "The report is kept.", examples.ACCEPTED),
        **answer_docs.problems(
            *_WRITE_PROBLEMS, kinds.FOREIGN_REPORT, kinds.NO_SUCH_PATH, kinds.INVALID_PARAMETER
        ),
    },
}
_BATCH: Json = {
    "operationId": "reportBatch",
    "tags": ["progress"],
    "summary": "Report progress in many films at once",
    "description": "A JSON array, or one JSON object a line; each item needs its `film_id`. Every"
    " item gets a verdict, in order, and one bad item never costs the others: the answer is 202"
    " whenever the batch could be read, even if no item is accepted. Empty lines do not count."
    " All accepted items are kept together or not at all.",
    "security": BEARER,
    "parameters": [KEY, TRACEPARENT],
    "requestBody": {
        "description": COMPRESSED,
        "required": True,
        "content": {
            media_types.JSON: {
                "schema": {"type": "array", "items": ref(Report)},
                "example": examples.BATCH,
            },
            media_types.NDJSON: {"schema": {"type": "string"}, "example": examples.LINES},
        },
    },
    "responses": {
        "202": answer_docs.answer(BatchAnswer, "What became of each item.", examples.VERDICTS),
        **answer_docs.problems(*_WRITE_PROBLEMS),
    },
}
_POINT: Json = {
    "operationId": "getResumePoint",
    "tags": ["resume"],
    "summary": "Where the viewer is in a film",
    "description": "The playhead of the latest report that advanced playback.",
    "responses": {
        "200": answer_docs.answer(ResumePoint, "The resume point.", examples.POINT),
        **answer_docs.problems(*_READ_PROBLEMS, kinds.NO_SUCH_PATH, kinds.NO_RESUME_POINT),
    },
    "security": BEARER,
}
_LIST: Json = {
    "operationId": "getContinueWatching",
    "tags": ["resume"],
    "summary": "Films to continue, the latest first",
    "description": "Films of which at least 95 % lie behind are left out unless asked for. While"
    " pages are read, a film that is watched on moves to the front: no film comes twice.",
    "responses": {
        "200": answer_docs.answer(ContinueWatching, "A page of films.", examples.PAGE),
        **answer_docs.problems(*_READ_PROBLEMS),
    },
    "security": BEARER,
}
_LIVE: Json = {
    "operationId": "getLiveness",
    "tags": ["operations"],
    "security": [],
    "summary": "Whether the process answers",
    "description": "Depends on nothing: a process that answers at all is alive.",
    "responses": {"200": answer_docs.text("It does.")},
}
_READY: Json = {
    "operationId": "getReadiness",
    "tags": ["operations"],
    "security": [],
    "summary": "Whether reports are taken",
    "description": "The log decides, and the public keys of tokens until the first of"
    " them is here; a warehouse that is down makes it `degraded`, with"
    " status 200. `?verbose` answers in JSON with the state of each dependency.",
    "responses": {
        "200": answer_docs.readiness("Reports are taken."),
        "503": answer_docs.readiness("Reports are not taken at the moment."),
    },
    "parameters": [
        {
            "name": "verbose",
            "in": "query",
            "allowEmptyValue": True,
            "schema": {"type": "string"},
        }
    ],
}
_METRICS: Json = {
    "operationId": "getMetrics",
    "tags": ["operations"],
    "security": [],
    "summary": "Metrics for Prometheus",
    "description": "Counts of reports, requests, appends and tokens; no user and no film. Where a"
    " password is set (`UGC_API__METRICS_PASSWORD_FILE`), behind HTTP basic.",
    "responses": {
        "200": answer_docs.text("All of them."),
        **answer_docs.problems(kinds.METRICS_CREDENTIALS),
    },
}

OPERATIONS: Mapping[tuple[str, str], Json] = {
    (ONE_PATH, "post"): _REPORT,
    (MANY_PATH, "post"): _BATCH,
    **BEACON_OPERATIONS,
    (ONE_PATH, "get"): _POINT,
    (MANY_PATH, "get"): _LIST,
    ("/livez", "get"): _LIVE,
    ("/readyz", "get"): _READY,
    ("/metrics", "get"): _METRICS,
    **AUDIENCE_OPERATIONS,
}
