"""Reports on either side of each bound: what is refused, by its field, and what is kept."""

import time
from uuid import UUID

FILM = "3d825f60-9fff-4dfe-b294-1a45fa1e115d"
OTHER = "01900000-0000-7000-8000-0000000000ff"
NIL = str(UUID(int=0))
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
GOOD: dict[str, object] = {"progress": 120, "total": 5400}


def now_ms(shift_ms: int = 0) -> int:
    return time.time_ns() // 1_000_000 + shift_ms


def iso(shift_s: float, zone: str = "Z") -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + shift_s)) + zone


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = {"a": value}
    return value


REFUSED: list[tuple[str, dict[str, object]]] = [
    ("progress", {"progress": -1}),
    ("progress", {"progress": -0.001}),
    ("progress", {"progress": "120"}),
    ("progress", {"progress": None}),
    ("progress", {"progress": True}),
    ("progress", {"progress": [1]}),
    ("progress", {"progress": 5410.01}),
    ("progress", {"progress": 172_801, "total": 172_800}),
    ("total", {"total": 0}),
    ("total", {"total": -5400}),
    ("total", {"total": 0.0001, "progress": 0}),
    ("total", {"total": 172_800.001}),
    ("total", {"total": "5400"}),
    ("total", {"total": None}),
    ("watched_from", {"watched_from": -1}),
    ("watched_from", {"watched_from": 120.001}),
    ("watched_from", {"watched_from": 100, "progress": 700.1}),
    ("watched_from", {"watched_from": "0"}),
    ("event_id", {"event_id": "one"}),
    ("event_id", {"event_id": NIL}),
    ("event_id", {"event_id": 7}),
    ("viewed_at", {"event_id": "11111111-1111-4111-8111-111111111111"}),
    ("film_id", {"film_id": OTHER}),
    ("film_id", {"film_id": NIL}),
    ("film_id", {"film_id": "a-film"}),
    ("user_id", {"user_id": "me"}),
    ("profile_id", {"profile_id": NIL}),
    ("profile_id", {"profile_id": "kids"}),
    ("viewed_at", {"viewed_at": iso(0, "")}),
    ("viewed_at", {"viewed_at": "yesterday"}),
    ("viewed_at", {"viewed_at": iso(25 * 3600)}),
    ("viewed_at", {"viewed_at": now_ms(-31 * DAY_MS)}),
    ("viewed_at", {"viewed_at": "1969-12-31T23:59:59Z"}),
    ("viewed_at", {"viewed_at": -1}),
    ("viewed_at", {"viewed_at": 1.5}),
    ("viewed_at", {"viewed_at": 2**63}),
    ("viewed_at", {"clock_offset_ms": 25 * HOUR_MS}),
    ("viewed_at", {"clock_offset_ms": -31 * DAY_MS}),
    ("clock_offset_ms", {"clock_offset_ms": 1.5}),
    ("clock_offset_ms", {"clock_offset_ms": 10**16}),
    ("session_id", {"session_id": "evening"}),
    ("session_id", {"session_id": NIL}),
    ("seq", {"seq": -1}),
    ("seq", {"seq": 2**32}),
    ("seq", {"seq": 0.5}),
    ("kind", {"kind": ""}),
    ("kind", {"kind": "Heartbeat"}),
    ("kind", {"kind": "pause\n"}),
    ("kind", {"kind": "k" * 33}),
    ("device", {"device": ""}),
    ("device", {"device": "tv\n"}),
    ("device", {"device": "телевизор"}),
    ("device", {"device": "d" * 33}),
    ("extra", {"extra": [1]}),
    ("extra", {"extra": "text"}),
    ("extra", {"extra": {"a": "x" * 2048}}),
    ("extra", {"extra": nested(65)}),
]
"""The field that is named, and what is wrong with it."""

KEPT: list[dict[str, object]] = [
    {"progress": 0},
    {"progress": 5400},
    {"progress": 5410},  # ten seconds past the end: clamped
    {"progress": 172_800, "total": 172_800},
    {"progress": 0.001, "total": 0.001},
    {"watched_from": 120},
    {"watched_from": 0, "progress": 600},
    {"viewed_at": iso(23 * 3600)},
    {"viewed_at": iso(-29 * 86_400, "+00:00")},
    {"viewed_at": now_ms(-HOUR_MS), "clock_offset_ms": HOUR_MS},
    {"event_id": "11111111-1111-4111-8111-111111111111", "viewed_at": iso(-60)},
    {"session_id": OTHER, "seq": 0},
    {"session_id": OTHER, "seq": 2**32 - 1},
    {"kind": "k" * 32, "device": "d" * 32},
    {"profile_id": OTHER},
    {"extra": {"a": "x" * 2040}},
    {"extra": nested(64)},
    {"extra": None, "seq": None, "device": None},
    {"a_newer_field": {"of": "some kind"}},
]
