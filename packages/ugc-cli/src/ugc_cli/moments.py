"""Times that people write on the command line."""

import re
from datetime import UTC, date, datetime, time, timedelta

import typer

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HELP = "such as 2026-11-24T09:30:00Z, 2026-11-24 (its start, UTC), or 2h (ago; s, m, h, d)"


def parse_moment(text: str | None, *, option: str, now_ms: int) -> int | None:
    """Return the time that `text` means, Unix milliseconds; None if there is none.

    Args:
        text: The option's value.
        option: Its name, for the error.
        now_ms: Now.

    Raises:
        typer.BadParameter: It is no time.
    """
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return now_ms - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) // timedelta(milliseconds=1)
    try:
        moment = _moment(text)
    except (ValueError, OverflowError) as error:
        msg = f"{option} {text!r} is no time; write one {HELP}"
        raise typer.BadParameter(msg) from error
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(text: str) -> datetime:
    if len(text) == len("2026-11-24"):
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = "a time needs its zone"
        raise ValueError(msg)
    return moment


def show_moment(at_ms: int) -> datetime:
    """Return a time as a value that the console and JSON show alike."""
    return _EPOCH + timedelta(milliseconds=at_ms)
