"""JSON Schemas, generated from the structs: `python -m ugc_core.schemas` writes them anew.

Published as package data: `report.v1` is what a client may send, `event.v1` a line in the
log. A field's description is what the struct's docstring says of it.
"""

import re
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ugc_core.codec import SCHEMA_VERSION, LegacyRecord
from ugc_core.events import Event, Report

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PUBLISHED = Path(__file__).parent / "published"
_ATTRIBUTE = re.compile(r"^    (?P<name>\w+): (?P<text>.+)$")


def described(structs: Sequence[type[Struct]], ref_template: str) -> dict[str, dict[str, Any]]:
    """Return the schema of each struct by name, and of those inside them, as plain JSON.

    Args:
        structs: The structs.
        ref_template: How one refers to another, with `{name}`.
    """
    _, found = msgspec.json.schema_components(structs, ref_template=ref_template)
    for schema in found.values():
        _describe(schema)
        if "extra" in schema.get("properties", {}):  # Raw: any JSON, as far as the struct can tell
            schema["properties"]["extra"]["type"] = ["object", "null"]
    # Defaults may be tuples, which a validator in Python takes for no array.
    plain: dict[str, dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(found))
    return plain


def documents() -> Mapping[str, Mapping[str, Any]]:
    """Return every published document by file name."""
    return {
        f"report.v{SCHEMA_VERSION}.schema.json": _document(Report),
        f"event.v{SCHEMA_VERSION}.schema.json": _document(Event),
        "event.v0.schema.json": _document(LegacyRecord),
    }


def as_text(document: Mapping[str, Any]) -> str:
    """Return a document as it is published."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def attributes(docstring: str) -> tuple[str, Mapping[str, str]]:
    """Split a Google-style docstring into its summary and the words on each attribute."""
    summary, _, rest = cleandoc(docstring).partition("\n\nAttributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in rest.splitlines():
        if match := _ATTRIBUTE.match(line):
            name = match["name"]
            found[name] = match["text"]
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return summary, found


def _document(struct: type[Struct]) -> dict[str, Any]:
    name = struct.__name__
    schema = described([struct], "#/$defs/{name}")[name]
    return {"$schema": DIALECT, **schema}


def _describe(schema: dict[str, Any]) -> None:
    """Move the docstring's words on each field to the field."""
    summary, fields = attributes(schema.get("description", ""))
    schema["description"] = summary
    for name, text in fields.items():
        if name in schema.get("properties", {}):
            schema["properties"][name] = {**schema["properties"][name], "description": text}


def main() -> None:
    """Write every document into the package."""
    for name, document in documents().items():
        (PUBLISHED / name).write_text(as_text(document), "utf-8")


if __name__ == "__main__":
    main()
