"""The AsyncAPI document: valid, published, and true of the records that are really written."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from ugc_core import schemas
from ugc_core.adapters.memory_log import MemoryLog, MemoryLogWriter
from ugc_core.codec import (
    ERASURE_HEADERS,
    EVENT_HEADERS,
    Erasure,
    decode_erasures,
    decode_lines,
    encode_erasure,
    encode_event,
    log_key,
)
from ugc_core.events import Event
from ugc_core.log import Record, Topic
from ugc_core.settings import LogSection
from ugc_etl import asyncapi
from ugc_etl.adapters.log_dead_letters import LogDeadLetters
from ugc_etl.letters.line_format import Place, decode_letter, decode_place
from ugc_etl.letters.resolutions import Resolution, close_letters, resolution_of
from ugc_etl.ports import DeadLetter

OFFICIAL = Path(__file__).parent / "asyncapi" / "3.0.0.json"
DOCUMENT = asyncapi.document()
MESSAGES = DOCUMENT["components"]["messages"]
GOLDEN = Path(__file__).parents[1] / "ugc_core" / "golden"


def payload_schema(name: str) -> dict[str, Any]:
    return {**MESSAGES[name]["payload"], "components": DOCUMENT["components"]}


def headers_of(record: Record) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


def holds(name: str, record: Record) -> None:
    """Fail unless the record is what the document says of this message."""
    jsonschema.validate(headers_of(record), MESSAGES[name]["headers"])
    key = record.key.decode() if record.key is not None else None
    jsonschema.validate(key, MESSAGES[name]["bindings"]["kafka"]["key"])
    for line in record.value.split(b"\n"):
        jsonschema.validate(json.loads(line), payload_schema(name))


@pytest.fixture
def log(clock) -> MemoryLog:
    names = ("views", "views.dlq")
    topics = {name: Topic(name=name, partitions=1, retention_ms=1) for name in names}
    return MemoryLog(clock=clock, topics=topics)


def records(log: MemoryLog, topic: str) -> list[Record]:
    return list(log.records[topic, 0])


def test_the_document_is_valid_asyncapi_3():
    official = json.loads(OFFICIAL.read_text("utf-8"))

    jsonschema.Draft7Validator(official).validate(DOCUMENT)


def test_the_official_schema_refuses_what_is_wrong():
    official = json.loads(OFFICIAL.read_text("utf-8"))
    wrong = {**DOCUMENT, "operations": {"x": {"action": "shout", "channel": {}}}}

    assert not jsonschema.Draft7Validator(official).is_valid(wrong)


def test_the_published_document_is_what_the_structs_say():
    published = (schemas.PUBLISHED / asyncapi.NAME).read_text("utf-8")

    assert published == schemas.as_text(DOCUMENT), "run `nox -s schemas`"


def test_the_channels_are_the_topics():
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}

    assert addresses == {LogSection().topic, LogSection().dlq_topic}


def test_every_reference_leads_somewhere():
    def find(place: str) -> object:
        found: Any = DOCUMENT
        for step in place.removeprefix("#/").split("/"):
            found = found[step]
        return found

    def walk(part: object) -> int:
        if isinstance(part, list):
            return sum(map(walk, part))
        if not isinstance(part, dict):
            return 0
        here = find(part["$ref"]) is not None if isinstance(part.get("$ref"), str) else False
        return here + sum(map(walk, part.values()))

    assert walk(DOCUMENT) > 15


def test_every_field_of_every_record_is_described():
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema["description"], name
        for field, found in schema["properties"].items():
            assert found.get("description"), (name, field)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_an_example_fits_its_own_schema(name):
    (example,) = MESSAGES[name]["examples"]

    jsonschema.validate(example["payload"], payload_schema(name))
    jsonschema.validate(example.get("headers", {}), MESSAGES[name]["headers"])


def test_the_pipeline_reads_the_examples():
    def lines(name: str) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
        (example,) = MESSAGES[name]["examples"]
        headers = tuple((k, v.encode()) for k, v in example.get("headers", {}).items())
        return json.dumps(example["payload"]).encode(), headers

    assert isinstance(decode_lines(*lines("event"))[0], Event)
    assert isinstance(decode_lines(*lines("legacyRecord"))[0], Event)
    assert decode_erasures(lines("erasure")[0])
    assert decode_letter(lines("deadLetter")[0]).payload.startswith(b"{")
    assert decode_place(lines("resolution")[0]) == Place(
        topic="views", partition=2, offset=1041, line=0
    )
    assert resolution_of(lines("resolution")[1]) is Resolution.DROPPED


async def test_reports_and_erasures_are_appended_as_described(log, make_event):
    writer, user = MemoryLogWriter(log, "views"), UUID(int=1)
    lines = [encode_event(make_event()), encode_event(make_event(kind="pause", device="tv"))]
    await writer.append(log_key(user), lines, headers=EVENT_HEADERS)
    erasure = encode_erasure(Erasure(user_id=user, requested_at=1))
    await writer.append(log_key(user), [erasure], headers=ERASURE_HEADERS)

    reports, forgotten = records(log, "views")

    holds("event", reports)
    holds("erasure", forgotten)
    with pytest.raises(jsonschema.ValidationError):
        holds("event", forgotten)


@pytest.mark.parametrize("payload", [b'{"progress": 1', b"\xff\xfe"])
async def test_dead_letters_and_what_closes_them_are_appended_as_described(log, payload):
    writer = MemoryLogWriter(log, "views.dlq")
    letter = DeadLetter(topic="views", partition=0, offset=3, line=1, reason="no", payload=payload)
    place = Place(topic="views", partition=0, offset=3, line=1)
    await LogDeadLetters(writer).put([letter])
    for resolution in Resolution:
        await close_letters(writer, [place], resolution)

    written, *closing = records(log, "views.dlq")

    holds("deadLetter", written)
    for record in closing:
        holds("resolution", record)


@pytest.mark.parametrize(("file", "name"), [("v0", "legacyRecord"), ("v1", "event")])
def test_golden_records_of_each_version_fit_the_document(file, name):
    for line in (GOLDEN / f"{file}.ndjson").read_text("utf-8").splitlines():
        jsonschema.validate(json.loads(line), payload_schema(name))
