"""What was accepted is what is read back: API, log line, pipeline and warehouse change nothing.

Reports are drawn as the text a client sends, with every bound at its extreme, and the row of
`views` is held against the drawn values, not against any of our own conversions.
"""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ugc_core.acceptance import Viewer, Window, accept, parse_report
from ugc_core.bootstrap import open_warehouse
from ugc_core.codec import EVENT_HEADERS, encode_event
from ugc_core.log import Headers, Record
from ugc_core.settings import WarehouseSection
from ugc_core.urls import warehouse_target
from ugc_core.uuid7 import make_uuid7
from ugc_etl.adapters.clickhouse_store import ClickHouseStore
from ugc_etl.batches import Batch
from ugc_etl.decoding import decode

NOW_MS = 1_767_225_600_000
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
USER, CHILD = UUID(int=1), UUID(int=4)
GOLDEN = Path(__file__).parents[1] / "unit" / "ugc_core" / "golden"
COLUMNS = (
    *("event_id", "film_id", "user_id", "profile_id", "session_id", "seq"),
    *("progress_ms", "total_ms", "watched_from_ms", "event_time", "viewed_at"),
    *("clock_offset_ms", "kind", "device", "extra", "received_at"),
)
_films = count(1)


class Sent(NamedTuple):
    """A report as text, and the row that it has to become."""

    film_id: UUID
    text: str
    viewer: Viewer
    row: dict[str, object]


# --- what clients send


def decimals(ms: int) -> st.SearchStrategy[str]:
    """Write the same seconds in several notations of JSON."""
    exact = Decimal(ms).scaleb(-3)
    return st.sampled_from([f"{exact}", f"{exact:f}", f"{exact:.3f}", f"{ms}e-3", f"{exact:E}"])


def moments(ms: int) -> st.SearchStrategy[str]:
    """Write the same time as a number, and as RFC 3339 in some zone."""
    at = EPOCH + timedelta(milliseconds=ms)
    zones = st.sampled_from([0, 90, -720, 840]).map(
        lambda minutes: at.astimezone(timezone(timedelta(minutes=minutes)))
    )
    texts = zones.flatmap(
        lambda at: st.sampled_from(
            [at.isoformat(timespec="milliseconds"), at.isoformat(timespec="microseconds")]
        )
    )
    return st.just(str(ms)) | texts.map(json.dumps)


odd_text = st.text(max_size=12) | st.sampled_from(
    ["\0", "'; DROP TABLE views --", '\\"', "\u2028", "{a:UUID}", "\x7f", "🎬", "%s", "\\N"]
)
extras = st.dictionaries(
    odd_text, st.none() | st.booleans() | st.integers() | odd_text | st.floats(-9, 9), max_size=4
)
extra_texts = st.one_of(
    extras.map(json.dumps),
    extras.map(lambda value: json.dumps(value, ensure_ascii=False)),
    st.sampled_from(['{"a" : 1.50, "a":2}', '{"x":"\\u0000\\u00e9"}', "{ }", '{"n":1e400}']),
    st.just(json.dumps({"x": "é" * 1019}, ensure_ascii=False)),  # 2,048 bytes, less a few
)
kinds = st.sampled_from(["start", "heartbeat", "a", "x" * 32, "airplay_2"])
devices = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 ._/()+-]{0,31}", fullmatch=True)
uuids = st.uuids() | st.sampled_from([UUID(int=1), UUID(int=2**128 - 1), UUID(int=1 << 127)])
sequence_numbers = st.sampled_from([0, 1, 2**31, 2**32 - 1])
lengths_ms = st.sampled_from([1, 999, 5_400_250, 172_800_000]) | st.integers(1, 172_800_000)


@st.composite
def times(draw: st.DrawFn) -> tuple[int, int]:
    """Draw a time of the window, to its very ends, and split it into clock and offset."""
    at_ms = NOW_MS + draw(
        st.sampled_from([-30 * DAY_MS, -1, 0, 24 * HOUR_MS])
        | st.integers(-30 * DAY_MS, 24 * HOUR_MS)
    )
    offset = draw(
        st.sampled_from([0, 0, 1, -1, HOUR_MS, -50 * 365 * DAY_MS])
        | st.integers(-2 * DAY_MS, 2 * DAY_MS)
        | st.just(at_ms)  # a client whose clock says 1970
    )
    return at_ms - offset, offset


@st.composite
def stretches(draw: st.DrawFn) -> tuple[int, int, int | None]:
    """Draw the length, the playhead, and where the stretch began, in milliseconds."""
    total = draw(lengths_ms)
    progress = draw(st.integers(0, total) | st.sampled_from([0, total]))
    lowest = max(progress - 600_000, 0)
    start = draw(st.none() | st.integers(lowest, progress) | st.sampled_from([lowest, progress]))
    return total, progress, start


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    """Draw a report of a film that no other one has."""
    total, progress, start = draw(stretches())
    viewed, offset = draw(times())
    film_id = UUID(int=draw(st.integers(0, 255)) << 120 | next(_films))
    event_id = draw(uuids | st.integers(0, 2**48 - 1).map(make_uuid7))
    profile = draw(st.sampled_from([None, USER, CHILD]))
    token_profile = draw(st.sampled_from([None, profile]))
    optional: dict[str, Any] = {
        "session_id": draw(st.none() | uuids),
        "seq": draw(st.none() | sequence_numbers),
        "kind": draw(st.none() | kinds),
        "device": draw(st.none() | devices),
        "extra": draw(st.none() | extra_texts),
    }
    overshoot = draw(st.sampled_from([0, 0, 1, 10_000])) if progress == total else 0
    if progress + overshoot > 172_800_000:
        overshoot = 0
    parts = {
        "event_id": json.dumps(str(event_id)),
        "progress": draw(decimals(progress + overshoot)),
        "total": draw(decimals(total)),
        "viewed_at": draw(moments(viewed)),
        "clock_offset_ms": str(offset),
        "profile_id": json.dumps(str(profile)) if profile else "null",
        "watched_from": "null" if start is None else draw(decimals(start)),
        "a field of a newer client": '{"is": ["ignored"]}',
        **{name: _json(name, value) for name, value in optional.items()},
    }
    names = draw(st.permutations([*parts]))
    text = "{" + ", ".join(f"{json.dumps(name)}: {parts[name]}" for name in names) + "}"
    row = {
        "event_id": event_id,
        "film_id": film_id,
        "user_id": USER,
        "profile_id": profile or USER,
        "progress_ms": progress,
        "total_ms": total,
        "watched_from_ms": start,
        "event_time": EPOCH + timedelta(milliseconds=viewed + offset),
        "viewed_at": EPOCH + timedelta(milliseconds=viewed),
        "clock_offset_ms": offset,
        "received_at": EPOCH + timedelta(milliseconds=NOW_MS),
        **optional,
    }
    return Sent(film_id, text, Viewer(user_id=USER, profile_id=token_profile), row)


def _json(name: str, value: object) -> str:
    if name == "extra" and isinstance(value, str):
        return value
    return json.dumps(str(value) if isinstance(value, UUID) else value)


# --- what becomes of it


def accepted_line(report: Sent) -> bytes:
    """Do what the API does with a report."""
    event = accept(
        parse_report(report.text.encode("utf-8", "surrogatepass")),
        report.viewer,
        film_id=report.film_id,
        received_ms=NOW_MS,
        window=Window(),
    )
    return encode_event(event)


async def stored(
    database: WarehouseSection, value: bytes, headers: Headers, token: str
) -> list[dict[str, object]]:
    """Do what the pipeline does with a record, and return the rows of its films."""
    record = Record(
        partition=3, offset=2**40, key=None, value=value, headers=headers, timestamp_ms=NOW_MS
    )
    found = decode(Batch(topic="views", partition=3, records=[record]))
    assert not found.dead
    films = [event.film_id for event in found.rows.events]
    async with open_warehouse(database) as warehouse:
        store = ClickHouseStore(warehouse, warehouse_target(database.url))
        await store.insert(found.rows, token=token)
        answer = await warehouse.read(
            f"SELECT {', '.join(COLUMNS)}, log_partition, log_offset FROM views"
            " WHERE film_id IN {films:Array(UUID)} ORDER BY log_line",
            {"films": sorted(set(films))},
        )
    assert {row[-2:] for row in answer.rows} == {(3, 2**40)}
    return [dict(zip(COLUMNS, row, strict=False)) for row in answer.rows]


@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # shrinking would outlast the time limit
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(sent(), min_size=1, max_size=8))
def test_whatever_is_accepted_is_read_back_unchanged(fresh_database, reports: Sequence[Sent]):
    value = b"\n".join(map(accepted_line, reports))

    rows = asyncio.run(stored(fresh_database, value, EVENT_HEADERS, str(reports[0].film_id)))

    assert rows == [report.row for report in reports]


# --- golden records: these rows never change

FILM = UUID("3d825f60-9fff-4dfe-b294-1a45fa1e115d")
VIEWER = UUID("e6bdd0a4-9ac1-4e4c-a4d5-8d3a1d3f5b1e")
SESSION = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


def golden_row(event_id: str, times: Sequence[str], **others: object) -> dict[str, object]:
    """Build a row from its event time, viewed at and received at, where they differ."""
    event_time, viewed_at, received_at = (datetime.fromisoformat(f"{t}+00:00") for t in times)
    fields: dict[str, object] = dict.fromkeys(COLUMNS)
    fields |= {"event_id": UUID(event_id), "film_id": FILM, "user_id": VIEWER}
    fields |= {"profile_id": VIEWER, "clock_offset_ms": 0, "total_ms": 5_400_000}
    fields |= {"event_time": event_time, "viewed_at": viewed_at, "received_at": received_at}
    return fields | others


V0_ROWS = [
    golden_row("1ae413af-8641-8397-a638-82bfb9322410", ["2021-05-01T10:20:30.123"] * 3)
    | {"progress_ms": 120_000},
    golden_row("fa7f6a75-9cfa-8327-b71d-d2914464fe4c", ["2021-05-01T10:20:30"] * 3)
    | {"progress_ms": 5_400_000},  # it said 5401 of 5400
    golden_row("40f596b7-7308-8d06-977b-101972388be5", ["2022-12-31T23:59:59.999"] * 3)
    | {"film_id": UUID(int=7), "user_id": UUID(int=1), "profile_id": UUID(int=1)}
    | {"progress_ms": 250, "total_ms": 86_399_500},
]
V1_ROWS = [
    golden_row(
        "019b76da-a800-7000-8000-000000000001",
        ["2025-12-31T23:59:59.750", "2026-01-01T00:00:00", "2026-01-01T00:00:00.123"],
        profile_id=UUID("b34d0c4c-29a2-4b1a-9d7f-6a2f0f0f8a55"),
        session_id=SESSION,
        seq=3,
        progress_ms=120_500,
        total_ms=5_400_250,
        watched_from_ms=110_500,
        clock_offset_ms=-250,
        kind="heartbeat",
        device="iOS 17.1 (iPad)",
        extra='{"quality": "4k", "é": [1.50]}',
    ),
    golden_row(
        "019b76da-a801-7000-8000-000000000002",
        ["2026-01-01T00:00:00.001", "2026-01-01T00:00:00.001", "2026-01-01T00:00:00.050"],
        progress_ms=0,
    ),
    golden_row(
        "5c3f7a52-1f0e-4b6c-9c56-0d5c8a1f2b3d",
        ["2025-12-31T23:59:55", "2025-12-31T22:59:55", "2026-01-01T00:00:00"],
        seq=4_294_967_295,
        progress_ms=172_800_000,
        total_ms=172_800_000,
        watched_from_ms=172_800_000,
        clock_offset_ms=3_600_000,
        kind="end",
        device="tv",
    ),
    golden_row(
        "019b76da-a803-7000-8000-000000000004",
        ["2026-01-01T00:00:00.003", "2026-01-01T00:00:00.003", "2026-01-01T00:00:00.060"],
        session_id=SESSION,
        seq=0,
        progress_ms=1,
        total_ms=1,
        watched_from_ms=0,
        kind="airplay_2",
        device="web",
        extra="{}",
    ),
]


@pytest.mark.parametrize(
    ("name", "headers", "rows"),
    [("v0", (), V0_ROWS), ("v1", EVENT_HEADERS, V1_ROWS)],
    ids=["version 0", "version 1"],
)
async def test_golden_records_stay_readable_through_the_warehouse(
    fresh_database, name, headers, rows
):
    value = (GOLDEN / f"{name}.ndjson").read_bytes()

    assert await stored(fresh_database, value, headers, "golden") == rows
