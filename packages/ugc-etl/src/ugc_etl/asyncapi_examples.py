"""Examples for the AsyncAPI document; tests read them as the pipeline reads records."""

from typing import Any

Json = dict[str, Any]

_FILM = "0b39f7d6-66fd-4c09-9c7a-2f1f2a3d8f51"
_USER = "01900000-0000-7000-8000-000000000001"
_PLACE: Json = {"topic": "views", "partition": 2, "offset": 1041, "line": 0}

EVENT: Json = {
    "name": "heartbeat",
    "headers": {"schema_version": "1", "lines": "1"},
    "payload": {
        "event_id": "01943b2c-8f6a-7c1e-9b7d-3a5e6f708192",
        "film_id": _FILM,
        "user_id": _USER,
        "progress": 130.5,
        "total": 5400,
        "watched_from": 120.5,
        "viewed_at": 1_767_298_530_250,
        "kind": "heartbeat",
        "device": "web",
        "received_at": 1_767_298_530_301,
    },
}
LEGACY: Json = {
    "name": "replaced-system",
    "payload": {
        "film_id": _FILM,
        "user_id": _USER,
        "progress": 120,
        "total": 5400,
        "created_at": "2024-05-01T20:15:30.250000",
    },
}
ERASURE: Json = {
    "name": "forget",
    "headers": {"schema_version": "1", "record_type": "erasure", "lines": "1"},
    "payload": {"user_id": _USER, "requested_at": 1_767_298_600_000},
}
LETTER: Json = {
    "name": "past-its-end",
    "headers": {"lines": "1"},
    "payload": {
        **_PLACE,
        "reason": "progress is greater than total",
        "schema_version": "1",
        "encoding": "utf-8",
        "payload": '{"progress": 6000, "total": 5400}',
    },
}
RESOLUTION: Json = {
    "name": "set-aside-for-good",
    "headers": {"resolution": "dropped", "lines": "1"},
    "payload": _PLACE,
}
