"""How the OpenAPI document says which headers an answer has."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_REF = "#/components/headers/"
HEADERS: Mapping[str, Json] = {
    "X-Request-ID": {
        "description": "The request's name in the service's log: the client's own if it has only"
        " letters, digits, dots, dashes and underscores, up to 128 of them.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
        "example": "01943b2c-8f6a-7c1e-9b7d-3a5e6f708192",
    },
    "Cache-Control": {
        "description": "Nobody on the way may keep the answer.",
        "required": True,
        "schema": {"const": "no-store"},
        "example": "no-store",
    },
    "WWW-Authenticate": {
        "description": "What to sign in with, and what is wrong with the token (RFC 6750).",
        "required": True,
        "schema": {"type": "string"},
        "example": 'Bearer realm="ugc"',
    },
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
        "example": 2,
    },
    "RateLimit-Policy": {
        "description": "Whose limit it is, and that `q` at once come back within `w` seconds"
        " (draft-ietf-httpapi-ratelimit-headers-10).",
        "required": True,
        "schema": {"type": "string"},
        "example": '"user";q=5000;w=250',
    },
    "RateLimit": {
        "description": "`r` are left; after `t` seconds there are enough.",
        "required": True,
        "schema": {"type": "string"},
        "example": '"user";r=0;t=1',
    },
}
ALWAYS = ("X-Request-ID",)
KEPT_BY_NOBODY = ("Cache-Control",)
_BY_STATUS: Mapping[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After", "RateLimit-Policy", "RateLimit"),
    503: ("Retry-After",),
}


def of_problem(status: int) -> Json:
    """Return the headers of an error answer, beside those that every answer has."""
    return refs(*KEPT_BY_NOBODY, *_BY_STATUS.get(status, ()))


def refs(*names: str) -> Json:
    """Return references to headers."""
    return {name: {"$ref": f"{_REF}{name}"} for name in names}
