"""How the OpenAPI document says what an operation answers."""

from http import HTTPStatus
from itertools import groupby
from typing import Any

from msgspec import Struct, to_builtins

from ugc_api import media_types
from ugc_api.documentation import examples, headers
from ugc_api.documentation.schemas import ref
from ugc_api.operating.health import Readiness
from ugc_api.problems import kinds
from ugc_api.problems.kinds import Kind
from ugc_api.problems.problem import Problem

Json = dict[str, Any]

OF_EVERY_REQUEST = (
    kinds.MALFORMED_REQUEST,
    kinds.UNKNOWN_HOST,
    kinds.HEADER_TIMEOUT,
    kinds.TARGET_TOO_LONG,
    kinds.RATE_LIMITED,
    kinds.HEADERS_TOO_LARGE,
    kinds.OVERLOADED,
    kinds.HTTP_VERSION,
)
"""What is refused before any route sees it."""


def problems(*found: Kind) -> dict[str, Json]:
    """Return the error answers of an operation, with an example of each kind."""
    answers: dict[str, Json] = {}
    for status, group in groupby(sorted(found, key=lambda k: k.status), lambda k: k.status):
        alike = list(group)
        shown = {
            kind.slug: {"summary": kind.title, "value": examples.problem(kind)} for kind in alike
        }
        content = {media_types.PROBLEM: {"schema": ref(Problem), "examples": shown}}
        pages = ", ".join(f"[{kind.slug}]({kind.uri})" for kind in alike)
        answers[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}: {pages}",
            "headers": headers.of_problem(status),
            "content": content,
        }
    return answers


def answer(struct: type[Struct], description: str, example: Struct) -> Json:
    """Return the answer of an operation that went well."""
    content = {"schema": ref(struct), "example": to_builtins(example)}
    return {
        "description": description,
        "headers": headers.refs(*headers.KEPT_BY_NOBODY),
        "content": {media_types.JSON: content},
    }


def text(description: str) -> Json:
    """Return an answer of plain text."""
    return {
        "description": description,
        "headers": headers.refs(*headers.KEPT_BY_NOBODY),
        "content": {media_types.TEXT: {"schema": {"type": "string"}}},
    }


def readiness(description: str) -> Json:
    """Return an answer of the readiness page, in words or in full."""
    found = text(description)
    found["content"][media_types.JSON] = {"schema": ref(Readiness)}
    return found
