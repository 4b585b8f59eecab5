"""Log lines: what was written is read again, and no bytes at all can stop a reader."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from ugc_core.codec import (
    EVENT_HEADERS,
    SCHEMA_HEADER,
    decode_line,
    decode_lines,
    encode_event,
    split_lines,
)
from ugc_core.errors import MalformedLineError
from ugc_core.events import MAX_STRETCH_S, Event

MAX_TOTAL_MS = 48 * 3_600_000
DAY_MS = 86_400_000


@st.composite
def events(draw):
    total_ms = draw(st.integers(1, MAX_TOTAL_MS))
    progress_ms = draw(st.integers(0, total_ms))
    from_ms = draw(st.none() | st.integers(max(0, progress_ms - MAX_STRETCH_S * 1000), progress_ms))
    viewed_at = draw(st.integers(0, 9_000_000_000_000))
    extra = draw(st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
    return Event(
        event_id=draw(st.uuids()),
        film_id=draw(st.uuids()),
        user_id=draw(st.uuids()),
        profile_id=draw(st.none() | st.uuids()),
        progress=progress_ms / 1000,
        total=total_ms / 1000,
        watched_from=None if from_ms is None else from_ms / 1000,
        viewed_at=viewed_at,
        clock_offset_ms=draw(
            st.integers(max(-viewed_at, -DAY_MS), min(DAY_MS, 9_000_000_000_000 - viewed_at))
        ),
        session_id=draw(st.none() | st.uuids()),
        seq=draw(st.none() | st.integers(0, 2**32 - 1)),
        kind=draw(st.none() | st.from_regex(r"\A[a-z][a-z0-9_]{0,31}\Z")),
        device=draw(st.none() | st.sampled_from(["web", "tv", "iOS 17.1 (iPad)"])),
        extra=UNSET if extra is None else Raw(msgspec.json.encode(extra)),
        received_at=draw(st.integers(0, 9_000_000_000_000)),
    )


@settings(max_examples=200, deadline=None)
@given(event=events())
def test_decoding_undoes_encoding(event):
    line = encode_event(event)

    assert b"\n" not in line
    assert decode_line(line) == event
    assert decode_lines(line, EVENT_HEADERS) == [event]


@settings(max_examples=100, deadline=None)
@given(events=st.lists(events(), min_size=1, max_size=5), ends=st.sampled_from([b"", b"\n"]))
def test_a_record_of_good_lines_decodes_to_them(events, ends):
    value = b"\n".join(map(encode_event, events)) + ends

    assert decode_lines(value, EVENT_HEADERS) == events


LEGACY = (
    b'{"film_id":"00000000-0000-0000-0000-000000000007","progress":5,"total":9,'
    b'"user_id":"00000000-0000-0000-0000-000000000001","created_at":"2021-01-01T00:00:00"}'
)
PIECES = (
    b"",
    b" ",
    b"\r",
    b"\t",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b'"',
    b"\xff",
    b"null",
    b"{}",
    LEGACY,
)

piece = st.one_of(
    events().map(encode_event),
    st.sampled_from(PIECES),
    st.binary(max_size=6),
)
line = st.lists(piece, max_size=3).map(b"".join)
header = st.sampled_from(
    [EVENT_HEADERS, (), ((SCHEMA_HEADER, b"0"),), ((SCHEMA_HEADER, b"2"),), (("other", b"1"),)]
)


def one_by_one(value, headers):
    """Decode a record the slow way: each line alone."""
    version = {b"0": 0, b"1": 1}[dict(headers).get(SCHEMA_HEADER, b"0")]
    return [outcome(one, version) for one in split_lines(value)]


def outcome(one, version):
    try:
        return decode_line(one, version)
    except MalformedLineError as error:
        return error.reason


def comparable(decoded):
    return [one.reason if isinstance(one, MalformedLineError) else one for one in decoded]


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(line, min_size=1, max_size=6), headers=header)
def test_a_record_is_decoded_line_by_line_whatever_its_lines_are(lines, headers):
    value = b"\n".join(lines)
    found = comparable(decode_lines(value, headers))

    assert len(found) == len(split_lines(value))
    if dict(headers).get(SCHEMA_HEADER) != b"2":
        assert found == one_by_one(value, headers)
    else:
        assert all("schema version" in str(reason) for reason in found)


@settings(max_examples=200, deadline=None)
@given(
    events=st.lists(events(), min_size=2, max_size=4),
    cuts=st.lists(st.tuples(st.integers(0, 1500), st.sampled_from([b"\n", b" ", b""])), max_size=3),
)
def test_a_record_with_line_breaks_in_odd_places_is_decoded_line_by_line(events, cuts):
    value = b"\n".join(map(encode_event, events))
    for at, instead in cuts:
        if instead == b"\n":  # a break more, within a line
            value = value[:at] + instead + value[at:]
        else:  # a break less, between two lines
            value = value[:at] + value[at:].replace(b"\n", instead, 1)

    assert comparable(decode_lines(value, EVENT_HEADERS)) == one_by_one(value, EVENT_HEADERS)


@settings(max_examples=200, deadline=None)
@given(value=st.binary(max_size=200), headers=header)
def test_no_bytes_make_decoding_fail(value, headers):
    assert len(decode_lines(value, headers)) == len(split_lines(value))
