"""What lies in the log, as an AsyncAPI 3.0 document generated from the structs themselves.

It describes both topics to programs that read them beside ours. The pipeline knows every record,
so it is made here; it is published with the other schemas, in ugc_core, and the API serves it.
`python -m ugc_etl.asyncapi` writes it anew.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from ugc_core.codec import (
    ERASURE_HEADERS,
    EVENT_HEADERS,
    SCHEMA_HEADER,
    Erasure,
    LegacyRecord,
)
from ugc_core.events import Event
from ugc_core.log import Headers
from ugc_core.schemas import PUBLISHED, as_text, described
from ugc_core.settings import LogSection
from ugc_core.tracing import TRACE_HEADER
from ugc_etl import asyncapi_examples as examples
from ugc_etl.letters.line_format import LetterLine, Place
from ugc_etl.letters.resolutions import RESOLUTION_HEADER, Resolution

Json = dict[str, Any]

NAME = "asyncapi.json"
_SCHEMA = "#/components/schemas/"
_LINES: Json = {
    "type": "string",
    "pattern": "^[1-9][0-9]*$",
    "description": "How many lines the record has.",
}
_CONTEXT: Json = {
    "type": "string",
    "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$",
    "description": "The trace that the record belongs to (W3C Trace Context); of few records only.",
}
_NEVER: Json = {"not": {}, "description": "Is not there."}
_KEY: Json = {
    "type": ["string", "null"],
    "format": "uuid",
    "description": "The user of every line, as text; null where lines of several users of one"
    " partition share the record. The partition is murmur2 of the user, as Kafka's own clients"
    " compute it, so one user's reports stay in order.",
}
_PLACE_KEY: Json = {
    "type": ["string", "null"],
    "description": "`topic:partition:offset:line` of the line that it is about; null where several"
    " share the record.",
}
_DESCRIPTION = """\
What ugc-api and `ugc` append to the log, and what the pipeline reads. The log is Kafka on a
cluster; embedded it is a file with the same topics, keys, headers and values.

A record's value is **one or more JSON objects, one a line**, joined by line feeds: a batch of one
user is one record, and under load reports of one partition share a record (a pack). The payloads
below are those of **one line**. Unknown fields are for newer readers: ignore them.
`schema_version` says how to read the lines; a record without it is of the system that UGC replaces
(version 0).
"""


def document() -> Json:
    """Return the whole document."""
    topics = LogSection()
    structs = (Event, LegacyRecord, Erasure, LetterLine, Place)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "UGC: the log of view progress",
            "version": version("ugc-etl"),
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "url": "https://spdx.org/licenses/MIT"},
        },
        "defaultContentType": "application/x-ndjson",
        "channels": _channels(topics),
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": described(structs, _SCHEMA + "{name}")},
    }


def _channels(topics: LogSection) -> Json:
    return {
        "views": _channel(
            topics.topic,
            "Reports of players, and erasures of users, in the order in which they count. Its name"
            " is the setting `log.topic`.",
            ["event", "legacyRecord", "erasure"],
        ),
        "deadLetters": _channel(
            topics.dlq_topic,
            "Lines that can never be stored, each with the reason, and what became of them. Its"
            " name is that of the reports' topic and `.dlq`.",
            ["deadLetter", "resolution"],
        ),
    }


def _channel(address: str, description: str, messages: Sequence[str]) -> Json:
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": {"topic": address, "bindingVersion": "0.5.0"}},
    }


def _operations() -> Json:
    return {
        "acceptReports": _operation("send", "views", ["event"], "What ugc-api answers 202 to."),
        "forgetUser": _operation(
            "send", "views", ["erasure"], "`ugc forget`: in the user's order."
        ),
        "storeReports": _operation(
            "receive",
            "views",
            ["event", "legacyRecord", "erasure"],
            "The pipeline: each report once in the warehouse, whatever comes twice.",
        ),
        "setAside": _operation(
            "send", "deadLetters", ["deadLetter"], "The pipeline, before it goes on past the line."
        ),
        "closeLetter": _operation(
            "send", "deadLetters", ["resolution"], "`ugc dlq` and `ugc replay log`."
        ),
    }


def _operation(action: str, channel: str, messages: Sequence[str], summary: str) -> Json:
    place = f"#/channels/{channel}"
    return {
        "action": action,
        "channel": {"$ref": place},
        "summary": summary,
        "messages": [{"$ref": f"{place}/messages/{name}"} for name in messages],
    }


def _messages() -> Json:
    resolutions: Json = {"type": "string", "enum": [one.value for one in Resolution]}
    return {
        "event": _message(
            "One accepted report",
            "Event",
            _KEY,
            headers=_fixed(EVENT_HEADERS, **{TRACE_HEADER: _CONTEXT}),
            example=examples.EVENT,
        ),
        "legacyRecord": _message(
            "A record of the replaced system (version 0)",
            "LegacyRecord",
            {"type": "null", "description": "It had none, so its users are in no order."},
            headers={"type": "object", "properties": {SCHEMA_HEADER: _NEVER}},
            example=examples.LEGACY,
        ),
        "erasure": _message(
            "Forget this user",
            "Erasure",
            _KEY,
            headers=_fixed(ERASURE_HEADERS),
            example=examples.ERASURE,
        ),
        "deadLetter": _message(
            "A line that cannot be stored",
            "LetterLine",
            _PLACE_KEY,
            headers={
                "type": "object",
                "properties": {"lines": _LINES, RESOLUTION_HEADER: _NEVER},
            },
            example=examples.LETTER,
        ),
        "resolution": _message(
            "What became of a dead letter",
            "Place",
            _PLACE_KEY,
            headers={
                "type": "object",
                "required": [RESOLUTION_HEADER],
                "properties": {"lines": _LINES, RESOLUTION_HEADER: resolutions},
            },
            example=examples.RESOLUTION,
        ),
    }


def _fixed(headers: Headers, **others: Json) -> Json:
    """Return the schema of headers that always have these values, and of others."""
    constants: Json = {name: {"type": "string", "const": value.decode()} for name, value in headers}
    return {
        "type": "object",
        "required": [*constants],
        "properties": {**constants, "lines": _LINES, **others},
    }


def _message(title: str, schema: str, key: Json, *, headers: Json, example: Json) -> Json:
    return {
        "name": schema,
        "title": title,
        "headers": headers,
        "payload": {"$ref": f"{_SCHEMA}{schema}"},
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
        "examples": [example],
    }


def main() -> None:
    """Write the document beside the other published schemas."""
    (PUBLISHED / NAME).write_text(as_text(document()), "utf-8")


if __name__ == "__main__":
    main()
