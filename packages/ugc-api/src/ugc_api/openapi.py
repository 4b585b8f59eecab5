"""The OpenAPI document: FastAPI's, completed for the routes that take the bare request."""

from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import PlainTextResponse

from ugc_api import answer_docs, bodies, examples, kinds
from ugc_api.answers import Accepted, BatchAnswer, ContinueWatching, ResumePoint
from ugc_api.schemas import ref, schemas
from ugc_core.events import Report

Json = dict[str, Any]

_DESCRIPTION = """\
Takes view-progress reports from players, and gives viewers their resume points back.

**202 means kept**: an accepted report is durable before the answer goes out. Any 5xx, and no
answer at all, mean that the outcome is unknown: send the same report again, with the same
`event_id`. A report that is kept twice counts once.

Errors are `application/problem+json` (RFC 9457); their `type` leads to a page that says what
to do. Every answer carries an `X-Request-ID`.
"""
_SECURITY: list[Json] = [{"bearer": []}]
_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token signed with HS256; `sub` is the user's UUID and `exp` is"
    " required. `profile_id` may name a member of the household.",
}
_UUID = {"type": "string", "format": "uuid"}
_FILM = {
    "name": "film_id",
    "in": "path",
    "required": True,
    "schema": _UUID,
    "example": examples.FILM,
}
_WRITE_PROBLEMS = (
    kinds.MALFORMED_BODY,
    kinds.MISSING_TOKEN,
    kinds.INVALID_TOKEN,
    kinds.BODY_TIMEOUT,
    kinds.TOO_LARGE,
    kinds.UNSUPPORTED_MEDIA,
    kinds.REFUSED_REPORT,
    kinds.INTERNAL,
    kinds.LOG_BUSY,
    kinds.LOG_UNAVAILABLE,
    kinds.STOPPING,
)
_READ_PROBLEMS = (
    kinds.MISSING_TOKEN,
    kinds.INVALID_TOKEN,
    kinds.FOREIGN_REPORT,
    kinds.INVALID_PARAMETER,
    kinds.INTERNAL,
    kinds.WAREHOUSE_UNAVAILABLE,
)


REPORT_OPERATION: Json = {
    "operationId": "reportProgress",
    "tags": ["progress"],
    "summary": "Report progress in one film",
    "description": "The shortest body is `progress` and `total`. A player that repeats a report"
    " sends the same `event_id`, and so the same `viewed_at`.",
    "security": _SECURITY,
    "parameters": [_FILM],
    "requestBody": {
        "required": True,
        "content": {bodies.JSON: {"schema": ref(Report), "examples": examples.REPORTS}},
    },
    "responses": {
        "202": answer_docs.answer(Accepted, "The report is kept.", examples.ACCEPTED),
        **answer_docs.problems(*_WRITE_PROBLEMS, kinds.FOREIGN_REPORT, kinds.INVALID_PARAMETER),
    },
}
BATCH_OPERATION: Json = {
    "operationId": "reportBatch",
    "tags": ["progress"],
    "summary": "Report progress in many films at once",
    "description": "A JSON array, or one JSON object a line; each item needs its `film_id`. Every"
    " item gets a verdict, in order, and one bad item never costs the others: the answer is 202"
    " whenever the batch could be read, even if no item is accepted. Empty lines do not count."
    " All accepted items are kept together or not at all.",
    "security": _SECURITY,
    "requestBody": {
        "required": True,
        "content": {
            bodies.JSON: {
                "schema": {"type": "array", "items": ref(Report)},
                "example": examples.BATCH,
            },
            bodies.NDJSON: {"schema": {"type": "string"}, "example": examples.LINES},
        },
    },
    "responses": {
        "202": answer_docs.answer(BatchAnswer, "What became of each item.", examples.VERDICTS),
        **answer_docs.problems(*_WRITE_PROBLEMS),
    },
}
POINT_OPERATION: Json = {
    "operation_id": "getResumePoint",
    "tags": ["resume"],
    "summary": "Where the viewer is in a film",
    "description": "The playhead of the latest report that advanced playback.",
    "responses": {
        200: answer_docs.answer(ResumePoint, "The resume point.", examples.POINT),
        **answer_docs.problems(*_READ_PROBLEMS, kinds.NO_RESUME_POINT),
    },
    "openapi_extra": {"security": _SECURITY},
}
LIST_OPERATION: Json = {
    "operation_id": "getContinueWatching",
    "tags": ["resume"],
    "summary": "Films to continue, the latest first",
    "description": "Films of which at least 95 % lie behind are left out unless asked for. While"
    " pages are read, a film that is watched on moves to the front: no film comes twice.",
    "responses": {
        200: answer_docs.answer(ContinueWatching, "A page of films.", examples.PAGE),
        **answer_docs.problems(*_READ_PROBLEMS),
    },
    "openapi_extra": {"security": _SECURITY},
}
LIVE_OPERATION: Json = {
    "operation_id": "getLiveness",
    "tags": ["operations"],
    "summary": "Whether the process answers",
    "responses": {200: answer_docs.text("It does.")},
    "response_class": PlainTextResponse,
}
READY_OPERATION: Json = {
    "operation_id": "getReadiness",
    "tags": ["operations"],
    "summary": "Whether reports are taken",
    "description": "Only the log decides; a warehouse that is down makes it `degraded`, with"
    " status 200. `?verbose` answers in JSON with the state of each dependency.",
    "responses": {
        200: answer_docs.readiness("Reports are taken."),
        503: answer_docs.readiness("Reports are not taken at the moment."),
    },
    "response_class": PlainTextResponse,
    "openapi_extra": {
        "parameters": [
            {
                "name": "verbose",
                "in": "query",
                "allowEmptyValue": True,
                "schema": {"type": "string"},
            }
        ]
    },
}
METRICS_OPERATION: Json = {
    "operation_id": "getMetrics",
    "tags": ["operations"],
    "summary": "Metrics for Prometheus",
    "responses": {200: answer_docs.text("All of them.")},
    "response_class": PlainTextResponse,
}


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` return the whole document."""

    @cache
    def document() -> Json:
        found = get_openapi(
            title="UGC: view progress",
            version=version("ugc-api"),
            description=_DESCRIPTION,
            license_info={"name": "MIT", "identifier": "MIT"},
            tags=[
                {"name": "progress", "description": "What players report."},
                {"name": "resume", "description": "What viewers read back."},
                {"name": "operations", "description": "For whoever runs the service."},
            ],
            routes=app.routes,
        )
        found["components"] = {"schemas": schemas(), "securitySchemes": {"bearer": _SCHEME}}
        return found

    app.openapi = document  # type: ignore[method-assign]
