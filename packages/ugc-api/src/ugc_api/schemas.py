"""JSON Schemas of what goes in and out, generated from the structs themselves."""

from typing import Any

import msgspec
from msgspec import Struct

from ugc_api.answers import Accepted, BatchAnswer, ContinueWatching, ResumePoint
from ugc_api.health import Readiness
from ugc_api.problems import Problem
from ugc_core.events import Report
from ugc_core.schemas import described

_REF = "#/components/schemas/{name}"
_STRUCTS = (Report, Accepted, BatchAnswer, ResumePoint, ContinueWatching, Problem, Readiness)


def ref(struct: type[Struct]) -> dict[str, str]:
    """Return a reference to a struct's schema."""
    return {"$ref": _REF.format(name=struct.__name__)}


def schemas() -> dict[str, Any]:
    """Return the schema of every struct on the wire, fields described."""
    found = described(_STRUCTS, _REF)
    found["Report"]["properties"]["extra"]["type"] = ["object", "null"]  # its bytes are kept
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return plain
