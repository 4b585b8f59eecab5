"""Events as columns of `views_raw`."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tests.unit.ugc_etl.builders import NOW_MS, batch, event, line, record, rows
from ugc_core.codec import encode_event
from ugc_core.events import NIL
from ugc_etl.decoding import decode
from ugc_etl.rows import Rows, Source, version

MOST_MS = 9_000_000_000_000
"""The latest time that an event may have."""

times = st.integers(0, MOST_MS)


# --- columns


def test_a_full_event_fills_every_column():
    session, profile = UUID(int=3), UUID(int=4)
    full = event(
        progress=61.5,
        total=120.25,
        watched_from=60.0,
        profile_id=profile,
        session_id=session,
        seq=9,
        kind="pause",
        device="tv",
        extra=Raw(b'{"bitrate": 5}'),
        viewed_at=NOW_MS,
        clock_offset_ms=-250,
        received_at=NOW_MS + 7,
    )

    columns = {name: values[0] for name, values in rows(full).columns().items()}

    assert columns.pop("version") == version(NOW_MS + 7, encode_event(full))
    assert columns == {
        "event_id": full.event_id,
        "film_id": full.film_id,
        "user_id": full.user_id,
        "profile_id": profile,
        "session_id": session,
        "seq": 9,
        "progress_ms": 61_500,
        "total_ms": 120_250,
        "watched_from_ms": 60_000,
        "event_time": NOW_MS - 250,
        "viewed_at": NOW_MS,
        "clock_offset_ms": -250,
        "kind": "pause",
        "device": "tv",
        "extra": '{"bitrate": 5}',
        "received_at": NOW_MS + 7,
        "log_partition": 0,
        "log_offset": 0,
        "log_line": 0,
    }


def test_what_an_event_leaves_out_has_its_own_absent_value():
    columns = rows(event()).columns()

    assert columns["profile_id"] == [event().user_id]
    assert columns["session_id"] == [NIL]
    assert columns["seq"] == columns["watched_from_ms"] == [None]
    assert columns["kind"] == columns["device"] == columns["extra"] == [""]
    assert columns["clock_offset_ms"] == [0]


def test_rows_say_where_in_the_log_they_come_from():
    found = decode(batch(record(5, line(1), line(2), partition=3), record(8, line(3), partition=3)))

    columns = found.rows.columns()

    assert columns["log_partition"] == [3, 3, 3]
    assert columns["log_offset"] == [5, 5, 8]
    assert columns["log_line"] == [0, 1, 0]


def test_the_columns_are_of_one_length():
    assert {len(values) for values in rows(event(1), event(2)).columns().values()} == {2}


def test_a_slice_keeps_each_event_with_its_source():
    whole = rows(*map(event, range(5)))

    part = whole.slice(1, 3)

    assert len(part) == 2
    assert part.events == [event(1), event(2)]
    assert part.sources == [Source(0, 1, line(1)), Source(0, 2, line(2))]


# --- versions


@given(times, times, st.binary(), st.binary())
def test_a_version_falls_as_the_time_of_acceptance_rises(early, late, one, other):
    if early < late:
        assert version(early, one) > version(late, other)


@given(times, st.binary())
def test_a_version_fits_its_column(received_ms, payload):
    assert 0 <= version(received_ms, payload) < 2**64


def test_copies_of_one_millisecond_are_told_apart_by_their_bytes_alone():
    copies = [b"one", b"other"]

    assert version(NOW_MS, b"one") == version(NOW_MS, b"one")
    assert version(NOW_MS, b"one") != version(NOW_MS, b"other")
    assert max(copies, key=lambda copy: version(NOW_MS, copy)) == max(
        reversed(copies), key=lambda copy: version(NOW_MS, copy)
    )


# --- spans


def months(at_ms: list[int]) -> set[tuple[int, int]]:
    days = [datetime.fromtimestamp(each / 1000, UTC) for each in at_ms]
    return {(day.year, day.month) for day in days}


def test_rows_of_a_few_months_are_one_span():
    found = [*rows(event(1), event(2, viewed_at=NOW_MS + 90 * 86_400_000)).spans()]

    assert [len(span) for span in found] == [2]


def test_no_rows_are_one_empty_span():
    assert [len(span) for span in Rows(0, [], []).spans()] == [0]


def test_rows_of_ten_years_are_parted_by_time_and_keep_their_order():
    month_ms = 30 * 86_400_000
    events = [event(n, viewed_at=NOW_MS - (n * 7 % 120) * month_ms) for n in range(120)]

    found = [*rows(*events).spans()]

    assert len(found) >= 3
    for span in found:
        assert len(months([e.event_time_ms for e in span.events])) <= 48
        assert [s.line for s in span.sources] == sorted(s.line for s in span.sources)


@given(st.lists(times, max_size=60))
def test_spans_hold_every_row_once_and_few_months_each(at_ms):
    events = [event(n, viewed_at=at) for n, at in enumerate(at_ms)]

    spans = [*rows(*events).spans()]

    found = [pair for span in spans for pair in zip(span.events, span.sources, strict=True)]
    whole = rows(*events)
    assert sorted(found, key=lambda pair: pair[1].line) == [
        *zip(whole.events, whole.sources, strict=True)
    ]
    assert all(len(months([e.event_time_ms for e in span.events])) <= 48 for span in spans)


@given(st.lists(times, max_size=30))
def test_the_same_rows_are_parted_in_the_same_way(at_ms):
    events = [event(n, viewed_at=at) for n, at in enumerate(at_ms)]

    assert [s.sources for s in rows(*events).spans()] == [s.sources for s in rows(*events).spans()]
