"""Whatever a client sends, it becomes an event that can be read again, or is refused."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.codec import decode_line, encode_event
from ugc_core.errors import ReportRefusedError
from ugc_core.uuid7 import make_uuid7

NOW_MS = 1_767_225_600_000
DAY_MS = 86_400_000
VIEWER = Viewer(user_id=UUID(int=1))
FILM = UUID(int=7)


def json_values(leaves):
    return st.recursive(
        st.none() | st.booleans() | st.integers() | leaves | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=6,
    )


json_value = json_values(st.floats(allow_nan=False, allow_infinity=False))
anything = json_values(st.floats())
"""Python writes NaN and Infinity, which are not JSON."""

seconds = st.one_of(
    st.integers(-1, 200_000),
    st.floats(0, 700),
    st.sampled_from([0, 0.0004, 0.0005, 5400, 5410, 5410.001, 172_800, 172_800.001, 1e300]),
)
moment_ms = st.one_of(
    st.integers(NOW_MS - 40 * DAY_MS, NOW_MS + 2 * DAY_MS),
    st.integers(-1, 2**48 - 1),
)
moment = st.one_of(
    moment_ms,
    st.datetimes(timezones=st.sampled_from([UTC])).map(datetime.isoformat),
    st.integers(-30 * DAY_MS, DAY_MS).map(
        lambda ms: (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).isoformat()
    ),
)
event_id = st.one_of(
    st.uuids(allow_nil=True).map(str),
    moment_ms.map(lambda ms: str(make_uuid7(max(ms, 0)))),
)
fields = {
    "event_id": event_id,
    "film_id": st.sampled_from([str(FILM), str(UUID(int=8))]),
    "user_id": st.sampled_from([str(VIEWER.user_id), str(UUID(int=2))]),
    "profile_id": st.uuids(allow_nil=True).map(str),
    "watched_from": seconds,
    "viewed_at": moment,
    "clock_offset_ms": st.integers(-DAY_MS, DAY_MS)
    | moment_ms.map(lambda ms: NOW_MS - ms)
    | st.integers(),
    "session_id": st.uuids(allow_nil=True).map(str),
    "seq": st.integers(-1, 2**32),
    "kind": st.sampled_from(["heartbeat", "Seek", "a\n", ""]) | st.text(max_size=3),
    "device": st.sampled_from(["tv", "iOS 17", "x" * 33]) | st.text(max_size=3),
    "extra": anything,
    "unknown": anything,
}
report = st.fixed_dictionaries({"progress": seconds, "total": seconds}, optional=fields)


@st.composite
def acceptable(draw):
    """A report without a fault, near the bounds more often than real ones are."""
    total_ms = draw(st.integers(1, 172_800_000))
    progress_ms = draw(st.integers(0, total_ms) | st.integers(total_ms, total_ms + 10_000))
    progress_ms = min(progress_ms, 172_800_000)
    event_ms = draw(st.integers(NOW_MS - 29 * DAY_MS, NOW_MS + DAY_MS))
    offset_ms = draw(st.integers(-DAY_MS, DAY_MS) | st.integers(-(10**12), 10**12))
    optional = {
        "watched_from": st.integers(max(0, progress_ms - 600_000), progress_ms).map(
            lambda ms: ms / 1000
        ),
        "film_id": st.just(str(FILM)),
        "user_id": st.just(str(VIEWER.user_id)),
        "profile_id": st.uuids().map(str),
        "session_id": st.uuids().map(str),
        "seq": st.integers(0, 2**32 - 1),
        "kind": st.from_regex(r"\A[a-z][a-z0-9_]{0,31}\Z"),
        "device": st.sampled_from(["tv", "iOS 17", "x" * 32]),
        "extra": st.dictionaries(st.text(max_size=5), json_value, max_size=2),
        "unknown": json_value,
    }
    return draw(
        st.fixed_dictionaries(
            {
                "progress": st.just(progress_ms / 1000),
                "total": st.just(total_ms / 1000),
                "viewed_at": st.just(event_ms - offset_ms),
                "clock_offset_ms": st.just(offset_ms),
                "event_id": st.uuids().map(str),
            },
            optional=optional,
        )
    )


spoilt = st.tuples(
    report | acceptable(), st.sampled_from([*fields, "progress", "total"]), anything
).map(lambda of: of[0] | {of[1]: of[2]})
layout = st.sampled_from([None, 0, 2, "\r\n"])
body = st.one_of(
    st.tuples(acceptable() | report | spoilt | anything, layout).map(
        lambda of: json.dumps(of[0], indent=of[1]).encode()
    ),
    st.binary(max_size=40),
)


def accepted(raw, *, received_ms=NOW_MS):
    return accept(parse_report(raw), VIEWER, film_id=FILM, received_ms=received_ms, window=Window())


@settings(max_examples=300, deadline=None)
@given(raw=body)
def test_a_body_becomes_an_event_that_can_be_read_again_or_is_refused(raw):
    with suppress(ReportRefusedError):
        event = accepted(raw)
        line = encode_event(event)
        assert not set(b"\r\n") & set(line)
        assert decode_line(line) == event
        assert event.user_id == VIEWER.user_id
        assert event.film_id == FILM


@settings(max_examples=200, deadline=None)
@given(report=acceptable(), indent=layout, later_ms=st.integers(0, DAY_MS))
def test_a_repeated_report_is_the_same_event(report, indent, later_ms):
    raw = json.dumps(report, indent=indent).encode()
    first = accepted(raw)
    again = accepted(raw, received_ms=NOW_MS + later_ms)

    assert again.event_id == first.event_id == UUID(report["event_id"])
    assert again.event_time_ms == first.event_time_ms
    assert again == msgspec.structs.replace(first, received_at=NOW_MS + later_ms)


@settings(max_examples=200, deadline=None)
@given(report=acceptable(), indent=layout)
def test_an_accepted_event_is_accepted_again_as_itself(report, indent):
    event = accepted(json.dumps(report, indent=indent).encode())

    assert accepted(encode_event(event)) == event
