"""How the OpenAPI document says what an operation answers."""

from collections.abc import Mapping
from http import HTTPStatus
from itertools import groupby
from typing import Any

from msgspec import Struct, to_builtins

from ugc_api import media_types
from ugc_api.documentation import examples
from ugc_api.documentation.schemas import ref
from ugc_api.operating.health import Readiness
from ugc_api.problems.kinds import Kind
from ugc_api.problems.problem import Problem

Json = dict[str, Any]

_HEADERS: Mapping[int, Json] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "RFC 6750"}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait"}},
}


def problems(*found: Kind) -> dict[str, Json]:
    """Return the error answers of an operation, with an example of each kind."""
    answers: dict[str, Json] = {}
    for status, group in groupby(sorted(found, key=lambda k: k.status), lambda k: k.status):
        shown = {kind.slug: {"value": examples.problem(kind)} for kind in group}
        content = {media_types.PROBLEM: {"schema": ref(Problem), "examples": shown}}
        answer: Json = {"description": HTTPStatus(status).phrase, "content": content}
        if status in _HEADERS:
            answer["headers"] = _HEADERS[status]
        answers[str(status)] = answer
    return answers


def answer(struct: type[Struct], description: str, example: Struct) -> Json:
    """Return the answer of an operation that went well."""
    content = {"schema": ref(struct), "example": to_builtins(example)}
    return {"description": description, "content": {media_types.JSON: content}}


def text(description: str) -> Json:
    """Return an answer of plain text."""
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def readiness(description: str) -> Json:
    """Return an answer of the readiness page, in words or in full."""
    found = text(description)
    found["content"][media_types.JSON] = {"schema": ref(Readiness)}
    return found
