"""In which columns a stored report differs from the accepted one."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

COMPARED = (
    "progress_ms",
    "total_ms",
    "watched_from_ms",
    "event_time",
    "viewed_at",
    "clock_offset_ms",
    "session_id",
    "seq",
    "kind",
    "device",
    "extra",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def differences(accepted: Mapping[str, object], stored: Mapping[str, object]) -> str:
    """Return which columns differ, with both values."""
    return ", ".join(
        f"{name} is {stored[name]}, accepted was {_shown(name, accepted[name])}"
        for name in COMPARED
        if name in stored and _plain(stored[name]) != _plain(accepted[name])
    )


def _plain(value: object) -> object:
    """Return a value as `Rows` has it: times in epoch milliseconds."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // timedelta(milliseconds=1)
    return value


def _shown(name: str, value: object) -> object:
    if name in {"event_time", "viewed_at"} and isinstance(value, int):
        return _EPOCH + timedelta(milliseconds=value)
    return str(value) if isinstance(value, UUID) else value
