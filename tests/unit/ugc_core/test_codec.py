"""Lines of every schema version stay readable."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.codec import (
    EVENT_HEADERS,
    SCHEMA_HEADER,
    decode_line,
    decode_lines,
    encode_event,
    schema_version,
    split_lines,
)
from ugc_core.errors import MalformedLineError
from ugc_core.events import Event

GOLDEN = Path(__file__).parent / "golden"
V0 = ((SCHEMA_HEADER, b"0"),)
IDS = (
    b'"film_id":"00000000-0000-0000-0000-000000000007",'
    b'"user_id":"00000000-0000-0000-0000-000000000001"'
)
EVENT_ID = b'"event_id":"019b76da-a800-7000-8000-000000000001"'


def v1(rest):
    return b"{" + EVENT_ID + b"," + IDS + b"," + rest + b"}"


def v0(rest):
    return b"{" + IDS + b"," + rest + b"}"


TIMES = b'"viewed_at":1767225600000,"received_at":1767225600000'


# --- golden records: these files never change


def golden(name):
    return GOLDEN.joinpath(name).read_bytes()


def test_golden_lines_of_version_1_are_read_and_written_back_byte_by_byte():
    value = golden("v1.ndjson")

    events = decode_lines(value, EVENT_HEADERS)

    assert len(events) == 4
    assert [encode_event(event) for event in events] == split_lines(value)


def test_golden_lines_of_version_1_mean_what_they_meant():
    whole, point, late, newer = decode_lines(golden("v1.ndjson"), EVENT_HEADERS)

    assert whole == Event(
        event_id=UUID("019b76da-a800-7000-8000-000000000001"),
        film_id=UUID("3d825f60-9fff-4dfe-b294-1a45fa1e115d"),
        user_id=UUID("e6bdd0a4-9ac1-4e4c-a4d5-8d3a1d3f5b1e"),
        profile_id=UUID("b34d0c4c-29a2-4b1a-9d7f-6a2f0f0f8a55"),
        progress=120.5,
        total=5400.25,
        watched_from=110.5,
        viewed_at=1_767_225_600_000,
        clock_offset_ms=-250,
        session_id=UUID("0f8fad5b-d9cb-469f-a165-70867728950e"),
        seq=3,
        kind="heartbeat",
        device="iOS 17.1 (iPad)",
        extra=msgspec.Raw('{"quality": "4k", "é": [1.50]}'.encode()),
        received_at=1_767_225_600_123,
    )
    assert isinstance(point, Event)
    assert (point.watched_from, point.clock_offset_ms, point.kind) == (None, 0, None)
    assert isinstance(late, Event)
    assert late.event_time_ms == late.viewed_at + late.clock_offset_ms == 1_767_225_595_000
    assert isinstance(newer, Event)
    assert newer.kind == "airplay_2"


def test_golden_lines_of_version_0_are_read_as_the_same_events_for_ever():
    events = decode_lines(golden("v0.ndjson"), ())

    upgraded = b"".join(encode_event(event) + b"\n" for event in events)
    assert upgraded == golden("v0-as-v1.ndjson")


# --- version 0


def test_a_record_of_version_0_gets_an_identity_made_of_its_content():
    line = v0(b'"progress":120,"total":5400,"created_at":"2021-05-01T10:20:30"')
    other = line.replace(b"120", b"121")

    event = decode_line(line, 0)

    assert decode_line(line, 0) == event
    assert event.event_id.version == 8
    assert decode_line(other, 0).event_id != event.event_id
    assert (event.progress, event.total, event.watched_from) == (120, 5400, None)
    assert event.viewed_at == event.received_at == 1_619_864_430_000


@pytest.mark.parametrize(
    "created_at",
    [
        "2021-05-01T10:20:30",
        "2021-05-01T10:20:30Z",
        "2021-05-01T13:20:30+03:00",
        "2021-05-01T10:20:30.000400",
    ],
)
def test_the_same_moment_of_version_0_is_the_same_event(created_at):
    line = v0(b'"progress":120,"total":5400,"created_at":"%s"' % created_at.encode())

    assert decode_line(line, 0).event_id == UUID("20738227-f2f5-8612-b94c-26255e3123b0")


def test_a_playhead_of_version_0_past_the_end_is_clamped():
    line = v0(b'"progress":5500,"total":5400,"created_at":"2021-05-01T10:20:30"')

    assert decode_line(line, 0).progress == 5400


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (b'"progress":1,"total":2', "missing required field `created_at`"),
        (b'"progress":-1,"total":2,"created_at":"2021-05-01T10:20:30"', ">= 0.0"),
        (b'"progress":1,"total":0,"created_at":"2021-05-01T10:20:30"', "> 0.0"),
        (b'"progress":1,"total":2,"created_at":"1969-05-01T10:20:30"', "out of range"),
        (b'"progress":1,"total":2,"created_at":"9999-05-01T10:20:30"', "out of range"),
        (b'"progress":1,"total":2,"created_at":"0001-01-01T00:00:00+14:00"', "out of range"),
        (b'"progress":1,"total":2,"created_at":5', "Expected `datetime`"),
    ],
)
def test_a_bad_line_of_version_0_is_malformed(rest, reason):
    with pytest.raises(MalformedLineError) as caught:
        decode_line(v0(rest), 0)
    assert reason in caught.value.reason


# --- version 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "truncated"),
        (b"null", "Expected `object`"),
        (b"\xff", "malformed"),
        (b"{", "truncated"),
        (v1(b'"progress":1,"total":2'), "missing required field `viewed_at`"),
        (v1(b'"progress":1,"total":2,' + TIMES) + b"{}", "trailing characters"),
        (v1(b'"progress":3,"total":2,' + TIMES), "progress is greater than total"),
        (
            v1(b'"progress":1,"total":2,"watched_from":2,' + TIMES),
            "watched_from is greater than progress",
        ),
        (
            v1(b'"progress":601,"total":900,"watched_from":0.9,' + TIMES),
            "a stretch of more than 600 seconds",
        ),
        (
            v1(b'"progress":1,"total":2,"clock_offset_ms":-1767225600001,' + TIMES),
            "viewed_at + clock_offset_ms is out of range",
        ),
        (v1(b'"progress":1,"total":2,"extra":[],' + TIMES), "extra is not an object"),
        (
            v1(b'"progress":1,"total":2,"extra":{"a":"%s"},' % (b"x" * 2048) + TIMES),
            "extra is not an object of at most 2048 bytes",
        ),
        (v1(b'"progress":1,"total":2,"extra":{"a":"\xff"},' + TIMES), "extra is not valid UTF-8"),
        (v1(b'"progress":1,"total":2,"seq":-1,' + TIMES), "seq"),
        (v1(b'"progress":1,"total":2,"kind":"NO",' + TIMES), "kind"),
        (v1(b'"progress":1,"total":2,"x":' + b"[" * 50_000), "nested too deeply"),
    ],
)
def test_a_bad_line_is_malformed_and_says_why(line, reason):
    with pytest.raises(MalformedLineError) as caught:
        decode_line(line)
    assert reason in caught.value.reason

    [found] = decode_lines(line, EVENT_HEADERS)
    assert isinstance(found, MalformedLineError)
    assert found.reason == caught.value.reason


def test_a_field_of_a_newer_version_1_is_ignored():
    line = v1(b'"progress":1,"total":2,"hdr":true,' + TIMES)

    assert decode_line(line) == decode_line(v1(b'"progress":1,"total":2,' + TIMES))


# --- records


def test_a_bad_line_costs_its_neighbours_nothing(make_event):
    good = [make_event(), make_event()]
    value = b"\n".join([encode_event(good[0]), b"{", encode_event(good[1])])

    first, bad, last = decode_lines(value, EVENT_HEADERS)

    assert (first, last) == (good[0], good[1])
    assert isinstance(bad, MalformedLineError)


def test_a_broken_bound_costs_its_neighbours_nothing(make_event):
    good = [make_event(), make_event()]
    past = make_event(progress=10.0, total=5.0)

    found = decode_lines(b"\n".join(map(encode_event, [good[0], past, good[1]])), EVENT_HEADERS)

    assert [type(one) for one in found] == [Event, MalformedLineError, Event]


def halves(line):
    """Cut a line between two tokens, where JSON allows a line break."""
    head, name, tail = line.partition(b'"film_id"')
    return head, name + tail


ODD_LINES = {
    "two in one": lambda a, b, c: [b"", a + b],
    "two in one before an empty one": lambda a, b, c: [a + b, b"", c],
    "one in two before two in one": lambda a, b, c: [*halves(a), b + c],
    "two in one before none": lambda a, b, c: [a + b" " + b, b"{}"],
    "one in two": lambda a, b, c: [a[:-1], b"}"],
    "two with a carriage return between": lambda a, b, c: [a + b"\r" + b, b"", c],
}


@pytest.mark.parametrize("arrange", ODD_LINES.values(), ids=ODD_LINES)
def test_an_event_is_one_line_and_a_line_is_one_event(make_event, arrange):
    lines = arrange(*(encode_event(make_event()) for _ in range(3)))

    found = decode_lines(b"\n".join(lines), EVENT_HEADERS)

    alone = [decode_lines(line, EVENT_HEADERS)[0] for line in lines]
    assert [isinstance(one, Event) for one in found] == [isinstance(one, Event) for one in alone]
    assert sum(isinstance(one, Event) for one in found) <= 1


def test_a_final_line_feed_ends_the_last_line(make_event):
    event = make_event()

    assert decode_lines(encode_event(event) + b"\n", EVENT_HEADERS) == [event]
    assert len(decode_lines(encode_event(event) + b"\n\n", EVENT_HEADERS)) == 2


def test_lines_that_another_producer_ended_with_crlf_are_read(make_event):
    events = [make_event(), make_event()]
    value = b"".join(encode_event(event) + b"\r\n" for event in events)

    assert decode_lines(value, EVENT_HEADERS) == events


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ((), 0),
        ((("lines", b"1"),), 0),
        (V0, 0),
        (EVENT_HEADERS, 1),
        ((("lines", b"1"), *EVENT_HEADERS), 1),
    ],
)
def test_the_header_says_the_version(headers, version):
    assert schema_version(headers) == version


@pytest.mark.parametrize("value", [b"2", b"", b"one", b"01", b"\xff" * 100])
def test_an_unknown_version_is_set_aside_line_by_line(value):
    found = decode_lines(b"{}\n{}", ((SCHEMA_HEADER, value),))

    assert len(found) == 2
    for one in found:
        assert isinstance(one, MalformedLineError)
        assert one.reason.startswith("unknown schema version")
        assert one.reason.endswith("this program reads 0 and 1")
        assert len(one.reason) < 200


def test_what_is_accepted_is_what_is_read(make_report):
    raw = msgspec.json.encode(make_report(progress=700.3, watched_from=100.3, total=5400.0005))
    event = accept(
        parse_report(raw),
        Viewer(user_id=UUID(int=1)),
        film_id=UUID(int=7),
        received_ms=1_767_225_600_000,
        window=Window(),
    )

    assert decode_line(encode_event(event)) == event
