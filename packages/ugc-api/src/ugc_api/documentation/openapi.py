"""The OpenAPI document: FastAPI's, completed for the routes that it does not know well enough.

It depends on no settings and on nothing that is opened: whoever asks, in whatever mode, gets the
one document that is published. `python -m ugc_api.documentation.openapi` writes that anew.
"""

from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ugc_api.documentation import headers
from ugc_api.documentation.operations import OPERATIONS
from ugc_api.documentation.schemas import schemas
from ugc_api.reading.audience_routes import add_audience_routes
from ugc_api.reading.routes import add_read_routes
from ugc_core.schemas import as_text

Json = dict[str, Any]

PUBLISHED = Path(__file__).parent / "published" / "openapi.json"
_DESCRIPTION = """\
Takes view-progress reports from players, gives viewers their resume points back, and tells
analysts how films are watched.

**202 means kept**: an accepted report is durable before the answer goes out. Any 5xx, and no
answer at all, mean that the outcome is unknown: send the same report again, with the same
`event_id`. A report that is kept twice counts once.

Errors are `application/problem+json` (RFC 9457); their `type` leads to a page that says what
to do. Every answer carries an `X-Request-ID`.
"""
_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token signed with HS256, or with an issuer's RS256, PS256, ES256 or"
    " EdDSA key, as whoever runs the service has set it up; `sub` is the user's UUID and `exp` is"
    " required. `profile_id` may name a member of the household, `roles` is a list or words in one"
    " string.",
}
_TAGS = (
    {"name": "progress", "description": "What players report."},
    {"name": "resume", "description": "What viewers read back."},
    {"name": "audience", "description": "What analysts read: how a film is watched."},
    {"name": "operations", "description": "For whoever runs the service."},
)


@cache
def document() -> Json:
    """Return the whole document."""
    found = get_openapi(
        title="UGC: view progress",
        version=version("ugc-api"),
        description=_DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        tags=list(_TAGS),
        routes=_reading().routes,
        servers=[{"url": "/", "description": "Where this document comes from."}],
    )
    for (path, method), operation in OPERATIONS.items():
        # Parameters of the read routes are FastAPI's own; all else is ours.
        known = found["paths"].setdefault(path, {}).setdefault(method, {})
        known.update(msgspec.json.decode(msgspec.json.encode(operation)))
        for answer in known["responses"].values():
            answer["headers"] = headers.refs(*headers.ALWAYS) | answer.get("headers", {})
    found["components"] = {
        "schemas": schemas(),
        "headers": dict(headers.HEADERS),
        "securitySchemes": {"bearer": _SCHEME},
    }
    return found


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` return the whole document."""
    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to replace it


def _reading() -> FastAPI:
    """Return the read routes for their parameters alone: what they would ask is not there."""
    app = FastAPI(openapi_url=None)
    nothing = cast("Any", None)
    add_read_routes(app, points=nothing, bearer=nothing, ask=nothing)
    add_audience_routes(app, audiences=nothing, bearer=nothing, ask=nothing)
    return app


def main() -> None:
    """Write the document into the package."""
    PUBLISHED.write_text(as_text(document()), "utf-8")


if __name__ == "__main__":
    main()
