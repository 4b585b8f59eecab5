"""The OpenAPI document: FastAPI's, completed for the routes that it does not know well enough."""

from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ugc_api.documentation.operations import OPERATIONS
from ugc_api.documentation.schemas import schemas

Json = dict[str, Any]

_DESCRIPTION = """\
Takes view-progress reports from players, and gives viewers their resume points back.

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
    "description": "An access token signed with HS256; `sub` is the user's UUID and `exp` is"
    " required. `profile_id` may name a member of the household.",
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
        for (path, method), operation in OPERATIONS.items():
            # Parameters of the read routes are FastAPI's own; all else is ours.
            known = found["paths"].setdefault(path, {}).setdefault(method, {})
            known.update(msgspec.json.decode(msgspec.json.encode(operation)))
        found["components"] = {"schemas": schemas(), "securitySchemes": {"bearer": _SCHEME}}
        return found

    app.openapi = document  # type: ignore[method-assign]
