"""What a load test may be asked for: limits, hosts and durations."""

import ipaddress
import re
from urllib.parse import urlsplit

_DURATION = re.compile(r"(\d{1,6})(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
LEAST_S, MOST_S = 1.0, 86_400.0
MOST_USERS = 10_000
MOST_RATE = 20_000
MOST_REPORTS = 50_000_000
"""More would fill the disk with a journal before it says anything that fewer would not."""


def parse_duration(text: str) -> float:
    """Return seconds: `60s`, `5m`, `2h`, or a bare number of seconds.

    Raises:
        ValueError: It is no duration, or an absurd one.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        msg = f"{text!r} is no duration; write one such as 30s, 5m or 2h"
        raise ValueError(msg)
    seconds = int(found[1]) * _UNITS[found[2] or "s"]
    if not LEAST_S <= seconds <= MOST_S:
        msg = f"{text} is out of bounds: 1s to 24h"
        raise ValueError(msg)
    return seconds


def root_of(url: str) -> str:
    """Return the root of the API that a URL means; the API's own prefix may be part of it.

    Raises:
        ValueError: It is no HTTP URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        msg = f"{url!r} is no HTTP URL; write one such as http://127.0.0.1:8000"
        raise ValueError(msg)
    if "@" in parts.netloc:
        msg = "the URL must not carry credentials; viewers sign in by tokens"
        raise ValueError(msg)
    return url.rstrip("/").removesuffix("/api/v1")


def is_loopback(url: str) -> bool:
    """Say whether a URL means this machine, judged by its name alone."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
